// The last step of an exchange: tunnels after 101, and the log line.

#include <algorithm>
#include <array>
#include <new>

#include "proxy/authentication.h"
#include "proxy/exchange.h"

namespace ocsproxy {

// WebSocket: bytes both ways until both sides have ended, or neither has sent for `idle`.
Task<Exchange::After> Exchange::tunnel() {
  status_ = response_.status;
  half_close_timer_.clear();
  client_.stream.socket().on_hangup(nullptr, nullptr);
  const std::span<const char> head = build_response_head(true);
  if (head.empty()) co_return co_await reply_failure();
  response_started_ = true;
  in_tunnel_ = true;
  must_close_ = true;
  download_deadline_ = Deadline::idle;
  download_progress_.idle = upload_progress_.idle = *rule().timeouts.idle;
  download_timer_.arm(download_progress_.idle);
  upload_timer_.arm(upload_progress_.idle);
  // It may be silent for as long as it likes, but not leave what it is sent.
  upload_progress_.pace = nullptr;
  download_pace_.begin(client_.stream.socket(), *listener_limits().minimum_rate,
                       *listener_limits().grace);
  upload_ended_ = false;
  upload_task_ = tunnel_up();
  upload_task_.start();

  Body body = Body::until_close();
  const RelayEnd end = co_await BodyRelay::run(upstream_->stream(), Side::upstream, client_.stream,
                                               body, response_window_, head, download_progress_);
  download_pace_.end();
  download_progress_.waiting_for = Side::client;
  co_await end_of_direction(end, client_.stream);
  download_timer_.clear();
  co_await upload_task_;
  upload_task_ = {};
  drop_connection();
  finish();
  co_return failure_ ? After::cut : After::close;
}

Task<> Exchange::tunnel_up() {
  Body body = Body::until_close();
  try {
    upload_end_ = co_await BodyRelay::run(client_.stream, Side::client, upstream_->stream(), body,
                                          received_, {}, upload_progress_);
  } catch (const std::bad_alloc&) {
    upload_end_ = starved_relay();
  }
  upload_progress_.waiting_for = Side::upstream;
  co_await end_of_direction(upload_end_, upstream_->stream());
  upload_timer_.clear();
  upload_ended_ = true;
}

// An orderly end is passed on, and the other direction goes on; anything else ends both.
Task<> Exchange::end_of_direction(const RelayEnd& end, Stream& receiver) {
  if (end.how == RelayEnd::How::complete) {
    receiver.finish_writing();
    co_await receiver.finished();
    co_return;
  }
  Error error = end.error;
  error.phase = Phase::tunnel;
  fail(std::move(error));
}

// The time until a tunnel counts as idle; zero when it is. Traffic in either direction keeps both.
std::chrono::milliseconds Exchange::tunnel_patience() const {
  const std::chrono::milliseconds last = std::max(download_progress_.last, upload_progress_.last);
  const std::chrono::milliseconds quiet = services_.reactor.now() - last;
  return std::max(download_progress_.idle - quiet, std::chrono::milliseconds(0));
}

// ---- the log line

void Exchange::finish() {
  upload_timer_.clear();
  download_timer_.clear();
  half_close_timer_.clear();
  services_.counters.responses[response_class(status_)].add();
  if (failure_) services_.counters.errors[*failure_].add();
  if (services_.access_log == nullptr) return;
  const settings::Settings& settings = snapshot_->settings();
  const bool ruled = decision_.rule != rules::kNoRule;
  std::array<char, 64> user;
  AccessRecord record{
      .time = std::chrono::system_clock::now(),
      .taken = services_.reactor.now() - started_,
      .client = client_.peer,
      .client_network = snapshot_->table().network_name(client_.position),
      .user = claimed_user(head_, user),
      .user_agent = head_.fields.value(FieldId::user_agent),
      .referrer = head_.fields.value(FieldId::referer),
      .method = head_.method,
      .public_host =
          asked_.host.as_sent.empty() ? head_.fields.value(FieldId::host) : asked_.host.as_sent,
      .target = head_.target,
      .version = head_.version,
      .client_secure = client_.secure,
      .listener = *settings.listeners[client_.listener].name,
      .request_id = request_id(),
      .rule = ruled ? std::string_view(*rule().name) : std::string_view(),
      .action = log_action(),
      .site = ruled && rule().to ? std::string_view(*rule().to->site) : std::string_view(),
      .upstream = upstream_address_,
      .pinned = went_pinned_,
      .client_kernel_tls = client_.stream.kernel_part(),
      .upstream_kernel_tls = upstream_kernel_tls_,
      .status = status_,
      .result_code = result_code_,
      .mime_type = {mime_type_.data(), mime_type_size_},
      .error = failure_ ? &*failure_ : nullptr,
      .filter_report = filter_report_,
      .dropped_fields = static_cast<std::uint32_t>(head_.fields.count(FieldId::underscore)),
      .from_client = head_bytes_ + upload_progress_.bytes,
      .to_client = response_head_bytes_ + download_progress_.bytes,
      .to_upstream = request_head_bytes_ + upload_progress_.bytes,
      .from_upstream = upstream_head_bytes_ + download_progress_.bytes};
  log_exchange(*services_.access_log, record);
}

LogAction Exchange::log_action() const {
  const bool allowed =
      decision_.rule != rules::kNoRule && decision_.verdict == rules::Verdict::allow;
  if (!allowed || refused_) return LogAction::denied;
  if (failure_) return LogAction::failed;
  return in_tunnel_ ? LogAction::established : LogAction::allowed;
}

}  // namespace ocsproxy
