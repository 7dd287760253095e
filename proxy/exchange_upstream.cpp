// Steps 4 to 6 of an exchange: an upstream connection, the request on it, the head of the response.

#include <algorithm>
#include <array>
#include <cstring>
#include <new>

#include "proxy/authentication.h"
#include "proxy/exchange.h"
#include "proxy/head_parser.h"
#include "proxy/request_writer.h"
#include "proxy/response_writer.h"

namespace ocsproxy {
namespace {

// In front of a response head as received: room for it to grow when it is rewritten, so that it can
// lie directly before the body and leave in the same record.
constexpr std::size_t kHeadroom = std::size_t{4} * 1024;
// More interim responses than any application sends; what is above is an attack or a loop.
constexpr int kMostInterim = 32;

}  // namespace

Task<bool> Exchange::get_response_head() {
  while (true) {
    bool answered = co_await reach_upstream();
    if (answered) answered = co_await read_response_head();
    if (answered) co_return true;
    if (!may_retry()) co_return false;
    retried_ = true;
    services_.counters.retries.add();
    failure_.reset();
    upstream_wait_ = UpstreamWait();
    drop_connection();
    down_.give_back();
    download_timer_.clear();  // the first attempt's; the next one has a deadline for each step
  }
}

Task<bool> Exchange::reach_upstream() {
  const LocalRef<Target>& target = snapshot_->targets[decision_.rule];
  watch_client();
  if (failure_) co_return false;
  const bool connected = co_await take_connection(target);
  if (!connected) co_return false;
  upstream_->count_request();
  if (!build_request_head()) co_return false;

  response_came_ = false;
  download_deadline_ = Deadline::response_head;
  download_timer_.arm(*rule().timeouts.response_head);
  if (asked_.framing.has_body()) {
    upload_ended_ = false;
    // While the upload reads the client, it is the upload that sees the client go.
    client_.stream.socket().on_hangup(nullptr, nullptr);
    upload_task_ = upload();
    upload_task_.start();
    co_return true;
  }
  const IoStatus sent = co_await upstream_->stream().write(request_head_);
  request_out_.give_back();
  if (sent == IoStatus::ok) co_return true;
  // What the upstream may have said before it closed is still read.
  if (upstream_->stream().socket().cancelled()) co_return false;
  co_return !fail_sending(upstream_->stream().error());
}

// Was it our own system that could not send? Then the upstream has not closed, knows nothing of all
// this, and would be waited for until the deadline.
bool Exchange::fail_sending(Error error) {
  if (error.kind != ErrorKind::system) return false;
  error.side = Side::us;
  error.phase = Phase::send_request;
  fail(std::move(error));
  return true;
}

// ---- which connection

bool Exchange::repeatable() const {
  if (asked_.framing.has_body()) return false;
  switch (head_.method_id) {
    case Method::get:
    case Method::head:
    case Method::options:
    case Method::put:
    case Method::del:
      return !asked_.framing.websocket;
    default:
      return false;
  }
}

bool Exchange::may_retry() const {
  if (retried_ || !failure_ || !repeatable() || pinned_ || response_came_ || upstream_ == nullptr)
    return false;
  if (!upstream_->reused()) return false;
  return failure_->side == Side::upstream && failure_->phase == Phase::response_head &&
         (failure_->kind == ErrorKind::closed || failure_->kind == ErrorKind::reset ||
          failure_->kind == ErrorKind::truncated);
}

Reuse Exchange::reuse(bool authenticates) const {
  if (authenticates || asked_.framing.websocket || retried_) return Reuse::never;
  return repeatable() ? Reuse::any : Reuse::recent;
}

PinnedConnection* Exchange::pin_for(const Target& target) {
  for (PinnedConnection& pin : client_.pins) {
    if (&pin.target() == &target) return &pin;
  }
  return nullptr;
}

Task<bool> Exchange::take_connection(const LocalRef<Target>& target) {
  const bool direct = *rule().delegation == settings::Delegation::client;
  if (PinnedConnection* const pin = pin_for(*target); pin != nullptr && direct) {
    upstream_ = pin->use(client_.id);
    pinned_ = went_pinned_ = true;
    if (upstream_ != nullptr) {
      upstream_address_ = upstream_->peer();
      if (upstream_->silent()) co_return true;
      fail(Error{.kind = ErrorKind::closed,
                 .side = Side::upstream,
                 .phase = Phase::connect,
                 .detail = "the site ended the client's own connection, or sent what nobody asked "
                           "for"});
      co_return false;
    }
    services_.counters.identity_violations.add();
    services_.log.error(
        "a pinned upstream connection was asked for by another client than its own; refused");
    fail(Error{.kind = ErrorKind::system,
               .side = Side::us,
               .phase = Phase::connect,
               .detail = "pinned connection of another client"});
    co_return false;
  }
  const bool authenticates = direct && request_authenticates_connection(head_);
  lease_ = target->take_idle(reuse(authenticates));
  if (!lease_) {
    Result<Lease> lease = co_await acquire_connection(services_, target, rule(),
                                                      reuse(authenticates), upstream_wait_);
    if (!lease) {
      fail(std::move(lease).error());
      co_return false;
    }
    lease_ = *std::move(lease);
  }
  upstream_ = &lease_.connection();
  upstream_address_ = upstream_->peer();
  if (failure_) co_return false;
  if (authenticates) pin_lease();
  co_return true;
}

void Exchange::pin_lease() {
  client_.pins.push_back(std::move(lease_).pin(client_.id));
  upstream_ = client_.pins.back().use(client_.id);
  pinned_ = went_pinned_ = true;
  services_.counters.pinned.add();
}

void Exchange::drop_connection() {
  // A site that got a part of the request must not take it for the whole.
  if (upstream_ != nullptr) {
    upstream_kernel_tls_ = upstream_->stream().kernel_part();
    if (asked_.framing.has_body() && !upload_clean()) upstream_->stream().abort();
  }
  if (pinned_) {
    // The authenticated connection is gone, and with it what the client believes to have.
    std::erase_if(client_.pins,
                  [this](PinnedConnection& pin) { return pin.use(client_.id) == upstream_; });
    pinned_ = false;
    must_close_ = true;
  }
  lease_.close();
  upstream_ = nullptr;
}

// ---- the request head

bool Exchange::build_request_head() {
  if (!request_out_) {
    // A second attempt: the canonical path went with the first one's buffer.
    request_out_ = Buffer::take();
    (void)rules::canonicalize(head_.target, client_.secure, request_out_.span(0, kMaxTargetBytes),
                              asked_.target);
  }
  RequestRewrite rewrite{.rule = &rule(),
                         .path = decision_.path,
                         .target = asked_.target,
                         .host = asked_.host,
                         .framing = asked_.framing,
                         .client_address = client_.peer.ip,
                         .client_secure = client_.secure,
                         .request_id = request_id(),
                         .via = services_.via};
  std::array<char, 4096> destination_path;
  judge_destination(snapshot_->table(), entrance(), head_, decision_, rewrite, destination_path);
  const std::size_t size = write_request_head(head_, rewrite, request_out_.span(kMaxTargetBytes));
  if (size == 0) {
    must_close_ = true;
    fail(Error{.kind = ErrorKind::too_large,
               .side = Side::client,
               .phase = Phase::request_head,
               .detail = "the request head is too large once the proxy's own fields are added"});
    return false;
  }
  request_head_ = {request_out_.data() + kMaxTargetBytes, size};
  request_head_bytes_ = size;
  return true;
}

// ---- the response head

Task<bool> Exchange::read_response_head() {
  for (int interim = 0; interim <= kMostInterim; ++interim) {
    const bool complete = co_await read_one_head();
    if (!complete) co_return false;
    response_framing_ = {};
    const Asked asked{head_.method_id, asked_.framing.websocket};
    if (const Refusal bad = response_framing(response_, asked, response_framing_)) {
      fail_response(ErrorKind::malformed, bad.why);
      co_return false;
    }
    if (!response_framing_.interim) co_return true;
    const bool passed = co_await pass_interim();
    if (!passed) co_return false;
  }
  fail_response(ErrorKind::malformed, "more than 32 interim responses");
  co_return false;
}

Task<bool> Exchange::read_one_head() {
  Stream& stream = upstream_->stream();
  Window& window = response_window_;
  if (!down_) {
    // Whoever waits for a long poll holds no buffer.
    upstream_wait_.waiting_on(stream.socket());
    (void)co_await stream.readable();
    upstream_wait_.done();
    if (failure_) co_return false;
    down_ = Buffer::take();
    window = Window{down_.data(), 0, Buffer::kSize - Window::kChunkTail, kHeadroom, kHeadroom};
  }
  HeadProgress progress;
  while (true) {
    const HeadOutcome outcome = parse_response_head(window.received(), progress, response_);
    if (outcome.state == HeadOutcome::State::complete) {
      window.begin += outcome.size;
      upstream_head_bytes_ += outcome.size;
      co_return true;
    }
    if (outcome.state == HeadOutcome::State::refused) {
      fail_response(ErrorKind::malformed, outcome.refusal.why);
      co_return false;
    }
    if (window.end == window.capacity) {
      // Several interim heads have used up the buffer; what is left of it is no head's length.
      std::memmove(window.data + kHeadroom, window.data + window.begin, window.end - window.begin);
      window.end -= window.begin - kHeadroom;
      window.begin = kHeadroom;
    }
    const IoResult got =
        co_await stream.read({window.data + window.end, window.capacity - window.end});
    if (failure_) co_return false;
    if (got.status != IoStatus::ok) {
      response_came_ = response_came_ || !window.empty();
      Error error = got.status == IoStatus::closed
                        ? Error{.kind = ErrorKind::closed,
                                .detail = "the site closed the connection without an answer"}
                        : stream.error();
      error.side = Side::upstream;
      error.phase = Phase::response_head;
      fail(std::move(error));
      co_return false;
    }
    window.end += got.bytes;
    response_came_ = true;
  }
}

void Exchange::fail_response(ErrorKind kind, std::string_view why) {
  response_came_ = true;
  fail(Error{.kind = kind,
             .side = Side::upstream,
             .phase = Phase::response_head,
             .detail = std::string(why)});
}

// 1xx goes on to clients that know it; 100 only to those that asked (RFC 9110 15.2).
Task<bool> Exchange::pass_interim() {
  const bool unasked = response_.status == 100 && !asked_.framing.expect_continue;
  if (head_.version == Version::http1_0 || unasked) co_return true;
  Buffer out = Buffer::take();
  const std::size_t size = write_response_head(response_, response_rewrite(true), out.span());
  if (size == 0) {
    fail_response(ErrorKind::too_large, "an interim response head is too large");
    co_return false;
  }
  // Meanwhile it is the client that is waited for.
  download_deadline_ = Deadline::minimum_rate;
  download_progress_.waiting_for = Side::client;
  download_timer_.arm(*listener_limits().grace);
  const IoStatus sent = co_await client_.stream.write({out.data(), size});
  download_deadline_ = Deadline::response_head;
  download_timer_.arm(*rule().timeouts.response_head);
  if (response_.status == 100) upload_pace_.called_for();
  if (sent == IoStatus::ok) co_return !failure_;
  client_gone(client_.stream.error());
  co_return false;
}

ResponseRewrite Exchange::response_rewrite(bool keep_alive) const {
  return {.rule = &rule(),
          .path = decision_.path,
          .request_version = head_.version,
          .framing = response_framing_,
          .host = asked_.host,
          .client_secure = client_.secure,
          .keep_alive = keep_alive,
          .via = services_.via,
          .filter = filter_,
          .request_id = response_framing_.interim ? std::string_view() : request_id()};
}

// What the head of the final response means beyond its framing.
void Exchange::examine_response() {
  status_ = response_.status;
  const std::string_view type = response_.fields.value(FieldId::content_type);
  mime_type_size_ = std::min(type.size(), mime_type_.size());
  std::copy_n(type.begin(), mime_type_size_, mime_type_.begin());

  const bool direct = *rule().delegation == settings::Delegation::client;
  if (!direct) {
    strip_challenge_ = response_.status == 401;
    return;
  }
  // One that the site closes anyway binds nobody.
  if (pinned_ || !lease_ || !response_framing_.keep_alive ||
      !response_offers_connection_authentication(response_))
    return;
  // From its first 401 on the connection is this client's: the next leg must meet the same TCP
  // connection, and nobody else may ever get it.
  pin_lease();
}

std::span<const char> Exchange::build_response_head(bool keep_alive) {
  response_out_ = Buffer::take();
  const std::size_t size =
      write_response_head(response_, response_rewrite(keep_alive), response_out_.span());
  if (size == 0) {
    fail_response(ErrorKind::too_large, "the response head is too large once it is rewritten");
    return {};
  }
  response_head_bytes_ = size;
  // A body that gets chunk lines of our own needs the room in front of it for them.
  const bool own_chunks =
      response_framing_.body == BodyKind::until_close && head_.version == Version::http1_1;
  if (own_chunks || size > response_window_.begin) return {response_out_.data(), size};
  // Directly in front of the body, over the head as it was received.
  char* const place = response_window_.data + response_window_.begin - size;
  std::memcpy(place, response_out_.data(), size);
  response_out_.give_back();
  return {place, size};
}

// ---- the upload

// Nobody awaits the upload while the response is waited for: its failure must be told at once.
RelayEnd Exchange::starved_relay() {
  services_.counters.allocation_failures.add();
  return {.how = RelayEnd::How::source_failed,
          .error = Error{.kind = ErrorKind::system, .detail = "no memory"}};
}

Task<> Exchange::upload() {
  Body body = asked_.framing.body == BodyKind::chunked
                  ? Body::chunked(ChunkedDecoder::Mode::verbatim, Side::client)
                  : Body::length(asked_.framing.length);
  if (filter_ != nullptr && filter_->enforces()) body.limit(filter_->most_payload());
  upload_progress_.idle = *rule().timeouts.idle;
  upload_timer_.arm(upload_progress_.idle);
  upload_pace_.begin(client_.stream.socket(), *listener_limits().minimum_rate,
                     *listener_limits().grace, asked_.framing.expect_continue && received_.empty());
  try {
    upload_end_ = co_await BodyRelay::run(client_.stream, Side::client, upstream_->stream(), body,
                                          received_, request_head_, upload_progress_);
  } catch (const std::bad_alloc&) {
    upload_end_ = starved_relay();
  }
  upload_pace_.end();
  if (asked_.framing.body == BodyKind::chunked) count_payload(body, upload_end_);
  upload_timer_.clear();
  upload_ended_ = true;
  request_out_.give_back();
  if (upload_end_.how == RelayEnd::How::complete) {
    upload_progress_.last = services_.reactor.now();
    if (!response_complete_) watch_client();
    co_return;
  }
  if (upload_end_.how == RelayEnd::How::sink_failed) {
    // The response, if any, tells why.
    if (!response_started_ && fail_sending(upload_end_.error)) must_close_ = true;
    co_return;
  }
  if (response_complete_ || failure_) co_return;
  Error error = upload_end_.error;
  error.phase = Phase::request_body;
  must_close_ = true;
  fail(std::move(error));
}

bool Exchange::upload_clean() const {
  return upload_ended_ && upload_end_.how == RelayEnd::How::complete;
}

// Precondition: there is one. Lets the upload finish when both sides are still at it, else stops
// it.
Task<> Exchange::end_upload(bool upstream_lives) {
  if (!upload_ended_ && (!upstream_lives || failure_)) {
    if (upstream_ != nullptr) {
      upstream_->stream().socket().cancel(
          Error{.kind = ErrorKind::cancelled, .detail = "the response has ended"});
    }
    client_.stream.socket().interrupt_reader();
  }
  co_await upload_task_;
  upload_task_ = {};
}

}  // namespace ocsproxy
