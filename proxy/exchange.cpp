#include "proxy/exchange.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <new>

#include "base/text.h"
#include "proxy/authentication.h"
#include "proxy/filtering.h"
#include "proxy/head_parser.h"
#include "proxy/local_reply.h"
#include "proxy/request_writer.h"

namespace ocsproxy {
namespace {

using std::chrono::milliseconds;

// How long a client that has cleanly ended its sending side keeps a request that is being answered.
constexpr milliseconds kHalfClosedFor{30'000};
// How long a client may take to accept an answer of ours.
constexpr milliseconds kReplyPatience{30'000};

// In seconds: what a client is asked to wait when something here is used up for the moment.
constexpr std::uint32_t kTryAgainAfter = 5;

constexpr Failure kRedirect{
    .status = 302, .code = 0, .reason = "The site is to be found at another address."};

// IMF-fixdate (RFC 9110 5.6.7).
std::string_view http_date(std::array<char, 32>& text) {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  return {text.data(),
          std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts)};
}

void write_hex(std::uint64_t number, std::array<char, 17>& text) {
  static constexpr char kDigits[] = "0123456789abcdef";
  for (std::size_t i = 16; i-- > 0; number >>= 4) text[i] = kDigits[number & 15];
  text[16] = '\0';
}
}  // namespace

Exchange::Exchange(Services& services, ClientSide& client, LocalRef<WorkerSnapshot> snapshot,
                   const RequestHead& head, std::size_t head_bytes, Window& received,
                   Refusal refusal)
    : services_(services),
      client_(client),
      snapshot_(std::move(snapshot)),
      head_(head),
      head_bytes_(head_bytes),
      received_(received),
      refusal_(refusal),
      download_timer_(services.reactor.timers(), &Exchange::on_download_timeout, this),
      upload_timer_(services.reactor.timers(), &Exchange::on_upload_timeout, this),
      half_close_timer_(services.reactor.timers(), &Exchange::on_half_close_timeout, this),
      download_pace_(services.reactor, ClientPace::Way::takes, &Exchange::on_slow_reader, this),
      upload_pace_(services.reactor, ClientPace::Way::sends, &Exchange::on_slow_sender, this),
      download_progress_{.timer = download_timer_, .idle = {}, .pace = &download_pace_},
      upload_progress_{.timer = upload_timer_, .idle = {}, .pace = &upload_pace_},
      started_(services.reactor.now()) {
  write_hex(services.next_id(), id_text_);
  services_.counters.requests.add();
}

Exchange::~Exchange() { client_.stream.socket().on_hangup(nullptr, nullptr); }

Task<Exchange::After> Exchange::run() {
  try {
    // 1. and 2. Is it a message that everybody reads the same way, and what does it ask for?
    const FloodRefusal flood = services_.flood->request(client_.flood, client_.peer.ip);
    std::optional<Reply> refused = check();
    if (!refused && flood) refused = refuse(flood);
    // 3. What does the policy say, and is there memory to do it with?
    if (!refused) refused = judge();
    if (!refused) refused = filter_head();
    if (!refused && services_.starving) refused = refuse_for_memory();
    if (refused && refused->retry_after == 0 && refused->location.empty())
      services_.flood->count_denied(client_.flood);
    if (refused) co_return co_await reply(*refused);
    if (looks_into(FilterPlace::request_body)) {
      const bool admitted = co_await filter_request_body();
      if (!admitted) co_return co_await reply_failure();
    }

    // 4. to 6. An upstream connection, the request on it, and the head of its response.
    const bool answered = co_await get_response_head();
    if (!answered) co_return co_await reply_failure();
    if (filters_response()) {
      const bool passes = co_await filter_response();
      if (!passes) co_return co_await reply_failure();
    }

    // 7. and 8. The response, what is left of the upload, the log line.
    if (response_framing_.tunnel) co_return co_await tunnel();
    co_return co_await relay_response();
  } catch (const std::bad_alloc&) {
    services_.counters.allocation_failures.add();
  }
  co_return co_await starve();
}

// There was no memory to go on with: this client is cut off, and nobody else.
Task<Exchange::After> Exchange::starve() {
  abort(Error{.kind = ErrorKind::system, .detail = "no memory"});
  if (upload_task_) co_await end_upload(false);
  drop_connection();
  finish();
  co_return After::cut;
}

void Exchange::abort(Error why) {
  client_.stream.socket().cancel(why);
  fail(std::move(why));
}

// ---- steps 1 to 3

std::optional<Exchange::Reply> Exchange::check() {
  if (refusal_) return refuse(refusal_);
  request_out_ = Buffer::take();
  if (const Refusal bad =
          examine_request(head_, client_.secure, client_.local.port,
                          request_out_.span(0, kMaxTargetBytes), host_buffer_, asked_)) {
    return refuse(bad);
  }
  if (client_.tls &&
      client_.tls->context->misdirected(client_.certificate, asked_.host.authority.name)) {
    return refuse({421, "the name belongs to another certificate than the one that was asked for"});
  }
  if (request_loops(head_, services_.via)) {
    note_failure(Error{.kind = ErrorKind::loop,
                       .side = Side::us,
                       .phase = Phase::request_head,
                       .detail = "the request has already passed this proxy"});
    return Reply{.what = failure_of(*failure_)};
  }
  return std::nullopt;
}

std::optional<Exchange::Reply> Exchange::refuse(Refusal why) {
  note_failure(Error{.kind = ErrorKind::malformed,
                     .side = Side::client,
                     .phase = Phase::request_head,
                     .detail = std::string(why.why)});
  services_.counters.refused_requests.add(why.status, why.why);
  must_close_ = true;
  return Reply{.what = failure_of(why.status),
               .allow = why.status == 405 ? "GET, HEAD, POST, PUT, DELETE, OPTIONS" : ""};
}

// The connection stays: to open another one would cost both sides more.
Exchange::Reply Exchange::refuse(const FloodRefusal& why) {
  note_failure(Error{.kind = ErrorKind::overloaded,
                     .side = Side::client,
                     .phase = Phase::request_head,
                     .detail = describe(why)});
  return {.what = failure_of(*failure_), .retry_after = why.seconds};
}

Exchange::Reply Exchange::refuse_for_memory() {
  services_.counters.overload[OverloadAction::refused].add();
  note_failure(Error{.kind = ErrorKind::overloaded,
                     .side = Side::us,
                     .phase = Phase::request_head,
                     .detail = "the memory that the process may have is used up"});
  return {.what = failure_of(*failure_), .retry_after = kTryAgainAfter};
}

std::optional<Exchange::Reply> Exchange::judge() {
  Judgement judgement =
      judge_request(snapshot_->settings(), snapshot_->table(), entrance(), head_, asked_);
  decision_ = judgement.decision;
  count_judgement(judgement.answer);
  switch (judgement.answer) {
    case rules::Answer::forward:
      return std::nullopt;
    case rules::Answer::redirect:
    case rules::Answer::to_https:
      redirect_ = std::move(judgement.location);
      return Reply{.what = kRedirect, .location = redirect_};
    case rules::Answer::not_served:
      must_close_ = true;
      break;
    case rules::Answer::deny:
      break;
  }
  return Reply{.what = policy_denial()};
}

// In the same step as the snapshot was taken: what a snapshot counts stands still once the worker
// has switched to the next.
void Exchange::count_judgement(rules::Answer answer) {
  services_.counters.judged_requests[answer].add();
  if (decision_.rule != rules::kNoRule) {
    snapshot_->requests_by_rule[decision_.rule].add();
  } else if (answer == rules::Answer::deny) {
    services_.counters.default_denials.add();
  }
}

Entrance Exchange::entrance() const {
  return {.secure = client_.secure,
          .port = client_.local.port,
          .listener = client_.listener,
          .client = client_.position};
}

// ---- answers of our own

Task<Exchange::After> Exchange::reply(Reply answer) {
  // An upload that nobody wants is not read: the connection closes after the answer.
  const bool keep_alive = !must_close_ && asked_.framing.keep_alive && upload_ended_ &&
                          !asked_.framing.has_body() && services_.keeps_alive();
  Buffer out = Buffer::take();
  std::array<char, 32> date;
  const std::string_view message = write_local_reply({.what = answer.what,
                                                      .request_id = request_id(),
                                                      .date = http_date(date),
                                                      .location = answer.location,
                                                      .allow = answer.allow,
                                                      .retry_after = answer.retry_after,
                                                      .head_only = head_.method_id == Method::head,
                                                      .keep_alive = keep_alive},
                                                     out.span());
  services_.counters.replies[answer.what.status].add();
  status_ = answer.what.status;
  result_code_ = answer.what.code;
  response_head_bytes_ = message.size();
  download_deadline_ = Deadline::idle;
  download_progress_.waiting_for = Side::client;
  download_timer_.arm(kReplyPatience);
  const IoStatus sent = co_await client_.stream.write(message);
  download_timer_.clear();
  finish();
  if (sent != IoStatus::ok) co_return After::cut;
  co_return keep_alive ? After::next_request : After::close;
}

Task<Exchange::After> Exchange::reply_failure() {
  if (upload_task_) co_await end_upload(false);
  drop_connection();
  const Failure what = refused_by_ ? filter_failure(*refused_by_) : failure_of(*failure_);
  // Nobody is there to be told, or the response has begun and cannot be taken back.
  if (what.status == 0 || response_started_ || client_.stream.socket().cancelled()) {
    finish();
    co_return After::cut;
  }
  must_close_ = must_close_ || asked_.framing.has_body();
  co_return co_await reply(
      Reply{.what = what, .retry_after = what.status == 503 ? kTryAgainAfter : 0});
}

// ---- step 7: the response

Task<Exchange::After> Exchange::relay_response() {
  examine_response();
  if (strip_challenge_) co_return co_await reply_forbidden();
  half_close_timer_.clear();

  const bool upstream_lives = response_framing_.keep_alive;
  const bool stays = asked_.framing.keep_alive && services_.keeps_alive() && !must_close_ &&
                     !client_.stream.worn() && client_can_tell_end() &&
                     (upload_ended_ || upstream_lives) && !(pinned_ && !upstream_lives);
  if (!stays && asked_.framing.keep_alive && services_.level >= LoadLevel::closing)
    services_.counters.overload[OverloadAction::closed].add();
  Body body = response_body();
  const std::span<const char> head = build_response_head(stays);
  if (head.empty()) co_return co_await reply_failure();

  response_started_ = true;
  download_deadline_ = Deadline::idle;
  download_progress_.idle = *rule().timeouts.idle;
  download_timer_.arm(download_progress_.idle);
  download_pace_.begin(client_.stream.socket(), *listener_limits().minimum_rate,
                       *listener_limits().grace);
  const RelayEnd end = co_await BodyRelay::run(upstream_->stream(), Side::upstream, client_.stream,
                                               body, response_window_, head, download_progress_);
  download_pace_.end();
  download_timer_.clear();
  if (end.nothing_sent) response_started_ = false;
  if (end.how != RelayEnd::How::complete) {
    Error error = end.error;
    error.phase = Phase::response_body;
    fail(std::move(error));
  }
  response_complete_ = end.how == RelayEnd::How::complete;
  if (upload_task_) co_await end_upload(response_complete_ && upstream_lives);

  if (end.nothing_sent) co_return co_await reply_failure();
  // Bytes behind the response are nobody's: they must not become the next client's response.
  const bool clean = response_complete_ && upload_clean() && response_window_.empty();
  settle_connection(clean && upstream_lives);
  finish();
  if (!response_complete_) co_return client_can_tell_end() ? After::cut : After::reset;
  co_return stays&& upload_clean() && !must_close_ ? After::next_request : After::close;
}

// Can the client see where the response ends without the connection ending?
bool Exchange::client_can_tell_end() const {
  switch (response_framing_.body) {
    case BodyKind::none:
    case BodyKind::length:
      return true;
    case BodyKind::chunked:
    case BodyKind::until_close:
      return head_.version == Version::http1_1;
  }
  return false;
}

Body Exchange::response_body() const {
  const bool chunks = head_.version == Version::http1_1;
  switch (response_framing_.body) {
    case BodyKind::none:
      return Body::none();
    case BodyKind::length:
      return Body::length(response_framing_.length);
    case BodyKind::chunked:
      return Body::chunked(chunks ? ChunkedDecoder::Mode::verbatim : ChunkedDecoder::Mode::data,
                           Side::upstream);
    case BodyKind::until_close:
      return chunks ? Body::until_close_in_chunks() : Body::until_close();
  }
  return Body::none();
}

// The upstream wants the client to authenticate, and the rule says that it may not.
Task<Exchange::After> Exchange::reply_forbidden() {
  note_failure(Error{
      .kind = ErrorKind::untrusted,
      .side = Side::upstream,
      .phase = Phase::response_head,
      .detail = "the site asks for authentication (401), which delegation: none does not pass on"});
  if (upload_task_) co_await end_upload(false);
  drop_connection();
  must_close_ = must_close_ || asked_.framing.has_body();
  co_return co_await reply(Reply{.what = failure_of(std::uint16_t{403})});
}

void Exchange::settle_connection(bool reusable) {
  if (upstream_ != nullptr) {
    upstream_kernel_tls_ = upstream_->stream().kernel_part();
    reusable = reusable && !upstream_->stream().worn();
  }
  if (pinned_) {
    if (!reusable) drop_connection();
  } else if (lease_) {
    if (reusable) {
      Target& target = lease_.connection().target();
      target.put(std::move(lease_));
    } else {
      drop_connection();
    }
  }
  upstream_ = nullptr;
}

// ---- failure and deadlines

void Exchange::note_failure(Error error) {
  if (!failure_) failure_ = std::move(error);
}

void Exchange::fail(Error error) {
  if (failure_) return;
  failure_ = std::move(error);
  upstream_wait_.cancel(*failure_);
  if (upstream_ != nullptr) upstream_->stream().socket().cancel(*failure_);
  if (!upload_ended_) client_.stream.socket().interrupt_reader();
  // Once a response has begun there is nothing else to say to the client.
  if (response_started_) client_.stream.socket().cancel(*failure_);
}

void Exchange::on_download_timeout(void* self) {
  auto& exchange = *static_cast<Exchange*>(self);
  if (exchange.download_deadline_ == Deadline::response_head && !exchange.upload_ended_) {
    // The upstream cannot answer what has not been sent yet. While the client is slow, its own
    // deadline runs; while the upload moves, so does this one.
    const milliseconds limit = *exchange.rule().timeouts.response_head;
    const milliseconds quiet = exchange.services_.reactor.now() - exchange.upload_progress_.last;
    const bool client_is_slow = exchange.upload_progress_.waiting_for == Side::client;
    if (client_is_slow || quiet < limit) {
      exchange.download_timer_.arm(client_is_slow ? limit : limit - quiet);
      return;
    }
  }
  if (exchange.in_tunnel_ && exchange.tunnel_patience().count() > 0) {
    exchange.download_timer_.arm(exchange.tunnel_patience());
    return;
  }
  exchange.services_.counters.deadlines[exchange.download_deadline_].add();
  const bool in_head = exchange.download_deadline_ == Deadline::response_head;
  const Side side = in_head ? Side::upstream : exchange.download_progress_.waiting_for;
  exchange.fail(Error{.kind = ErrorKind::timeout,
                      .side = side,
                      .phase = in_head ? Phase::response_head : Phase::response_body,
                      .deadline = exchange.download_deadline_});
  if (side == Side::client) exchange.client_.stream.socket().cancel(*exchange.failure_);
}

void Exchange::on_upload_timeout(void* self) {
  auto& exchange = *static_cast<Exchange*>(self);
  if (exchange.in_tunnel_ && exchange.tunnel_patience().count() > 0) {
    exchange.upload_timer_.arm(exchange.tunnel_patience());
    return;
  }
  exchange.services_.counters.deadlines[Deadline::idle].add();
  exchange.fail(Error{.kind = ErrorKind::timeout,
                      .side = exchange.upload_progress_.waiting_for,
                      .phase = Phase::request_body,
                      .deadline = Deadline::idle});
}

// What the kernel still has for it is forgotten as well.
void Exchange::on_slow_reader(void* self) {
  auto& exchange = *static_cast<Exchange*>(self);
  exchange.services_.counters.deadlines[Deadline::minimum_rate].add();
  exchange.fail(Error{.kind = ErrorKind::timeout,
                      .side = Side::client,
                      .phase = exchange.in_tunnel_ ? Phase::tunnel : Phase::response_body,
                      .deadline = Deadline::minimum_rate});
  exchange.client_.stream.abort();
  exchange.client_.stream.socket().cancel(*exchange.failure_);
}

void Exchange::on_slow_sender(void* self) {
  auto& exchange = *static_cast<Exchange*>(self);
  exchange.services_.counters.deadlines[Deadline::minimum_rate].add();
  exchange.fail(Error{.kind = ErrorKind::timeout,
                      .side = Side::client,
                      .phase = Phase::request_body,
                      .deadline = Deadline::minimum_rate});
}

void Exchange::on_half_close_timeout(void* self) {
  static_cast<Exchange*>(self)->client_gone(
      Error{.kind = ErrorKind::closed, .detail = "the client had ended its side 30 s before"});
}

void Exchange::on_client_hangup(void* self) { static_cast<Exchange*>(self)->client_hung_up(); }

void Exchange::watch_client() {
  client_.stream.socket().on_hangup(&Exchange::on_client_hangup, this);
  if (client_.stream.socket().hung_up()) client_hung_up();
}

void Exchange::client_hung_up() {
  switch (client_.stream.peek_end()) {
    case Stream::End::none:
      return;
    case Stream::End::half_closed:
      if (!response_started_ && !half_close_timer_.armed()) half_close_timer_.arm(kHalfClosedFor);
      return;
    case Stream::End::broken:
      client_gone(Error{.kind = ErrorKind::reset, .detail = client_.stream.error().detail});
      return;
  }
}

void Exchange::client_gone(Error error) {
  error.side = Side::client;
  error.phase = response_started_ ? Phase::response_body : Phase::response_head;
  fail(std::move(error));
  client_.stream.socket().cancel(*failure_);
}

}  // namespace ocsproxy
