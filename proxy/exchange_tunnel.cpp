// The last step of an exchange: tunnels after 101, and the log line.

#include <algorithm>

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
  upload_ended_ = false;
  upload_task_ = tunnel_up();
  upload_task_.start();

  Body body = Body::until_close();
  const RelayEnd end = co_await BodyRelay::run(upstream_->stream(), Side::upstream, client_.stream, body,
                                               response_window_, head, download_progress_);
  download_timer_.clear();
  end_of_direction(end, client_.stream);
  co_await upload_task_;
  upload_task_ = {};
  drop_connection();
  finish();
  co_return failure_ ? After::cut : After::close;
}

Task<> Exchange::tunnel_up() {
  Body body = Body::until_close();
  upload_end_ = co_await BodyRelay::run(client_.stream, Side::client, upstream_->stream(), body, received_, {},
                                        upload_progress_);
  upload_timer_.clear();
  upload_ended_ = true;
  end_of_direction(upload_end_, upstream_->stream());
}

// An orderly end is passed on, and the other direction goes on; anything else ends both.
void Exchange::end_of_direction(const RelayEnd& end, Stream& receiver) {
  if (end.how == RelayEnd::How::complete) {
    receiver.finish_writing();
    return;
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
  if (services_.access_log == nullptr) return;
}

}  // namespace ocsproxy
