// The steps of an exchange at which the rule's HTTP filter is asked. Without a filter none of them
// does anything.

#include "proxy/exchange.h"
#include "proxy/filtering.h"

namespace ocsproxy {
namespace {

using Place = rules::HttpFilter::Place;

constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

}  // namespace

std::optional<Exchange::Reply> Exchange::filter_head() {
  filter_ = snapshot_->table().filter_of(decision_.rule);
  const rules::TargetError reserved = rules::reservation(asked_.target);
  if (filter_ == nullptr && reserved == rules::TargetError::none) return std::nullopt;
  const rules::Filtered filtered = rules::filter_request(filter_, filtered_request(head_, asked_),
                                                         request_out_.span(kMaxTargetBytes));
  if (!filtered.objection) return std::nullopt;
  if (!filtered.refused) {
    report(*filtered.objection);
    return std::nullopt;
  }
  refused_ = true;
  if (filter_ == nullptr) return refuse({400, rules::describe(reserved)});
  object(*filtered.objection, Side::client, Phase::request_head);
  return Reply{.what = filter_failure(*refused_by_),
               .allow = *refused_by_ == rules::FilterCheck::method ? filter_->allowed_methods()
                                                                   : std::string_view()};
}

// The message ends here, and the log says why.
void Exchange::object(const rules::FilterRefusal& why, Side side, Phase phase) {
  refused_ = true;
  refused_by_ = why.check;
  services_.counters.filter_refused[why.check].add();
  fail(Error{
      .kind = ErrorKind::filtered, .side = side, .phase = phase, .detail = rules::describe(why)});
}

// It goes on, and the log says what would have been. The first objection is enough.
void Exchange::report(const rules::FilterRefusal& why) {
  services_.counters.filter_reported[why.check].add();
  if (filter_report_.empty()) filter_report_ = rules::describe(why);
}

// False: it was refused.
bool Exchange::weigh(const std::optional<rules::FilterRefusal>& objection, Side side, Phase phase) {
  if (!objection) return true;
  if (!filter_->enforces()) {
    report(*objection);
    return true;
  }
  object(*objection, side, phase);
  return false;
}

bool Exchange::filters_response() const {
  return filter_ != nullptr &&
         (filter_->looks_at_response_head() || looks_into(Place::response_body));
}

bool Exchange::looks_into(Place body) const {
  if (filter_ == nullptr || filter_->body_bytes(body) == 0) return false;
  return body == Place::request_body ? asked_.framing.has_body()
                                     : response_framing_.body != BodyKind::none;
}

// Reads until the beginning of the body is there, which stays in its window. False: `failure_` says
// why nothing of it may go on.
Task<bool> Exchange::hold_back(Place body, Stream& from, Window& window, Side side, Phase phase,
                               BodyRelay::Progress& progress) {
  const bool up = side == Side::client;
  const BodyKind kind = up ? asked_.framing.body : response_framing_.body;
  const std::size_t bytes = filter_->body_bytes(body);
  // Other bodies lie in the window in one piece.
  Buffer room = kind == BodyKind::chunked ? Buffer::take() : Buffer();
  BodyStart start(kind, up ? asked_.framing.length : response_framing_.length, side,
                  room ? room.span(0, bytes) : std::span<char>());
  start.look(window);
  while (!start.ended() && filter_->needs_more(body, start.data())) {
    const std::size_t wanted = start.wanted(window);
    if (wanted == 0) {
      const rules::FilterRefusal unseen{.check = rules::FilterCheck::unseen_body};
      co_return weigh(unseen, side, phase);
    }
    progress.waiting_for = side;
    const IoResult got = co_await from.read({window.data + window.end, wanted});
    if (failure_) co_return false;
    if (got.status == IoStatus::closed && !up && response_framing_.body == BodyKind::until_close) {
      start.end();
      break;
    }
    if (got.status != IoStatus::ok) {
      Error error = got.status == IoStatus::closed
                        ? Error{.kind = ErrorKind::truncated,
                                .detail = "the connection ended before the body did"}
                        : from.error();
      error.side = side;
      error.phase = phase;
      fail(std::move(error));
      co_return false;
    }
    window.end += got.bytes;
    progress.moved(services_.reactor.now());
    start.look(window);
  }
  if (const Refusal broken = start.refusal()) {
    fail(Error{.kind = ErrorKind::malformed,
               .side = side,
               .phase = phase,
               .detail = std::string(broken.why)});
    co_return false;
  }
  co_return weigh(filter_->check_body(body, start.data()), side, phase);
}

// Before there is an upstream connection, so that a refused body costs the site nothing.
Task<bool> Exchange::filter_request_body() {
  upload_progress_.idle = *rule().timeouts.idle;
  upload_progress_.waiting_for = Side::client;
  upload_timer_.arm(upload_progress_.idle);
  upload_ended_ = false;
  if (asked_.framing.expect_continue) {
    // Who waits for the site to want the body would wait for ever: it is wanted here.
    asked_.framing.expect_continue = false;
    const IoStatus sent = co_await client_.stream.write(kContinue);
    if (sent != IoStatus::ok) client_gone(client_.stream.error());
  }
  bool passes = !failure_;
  if (passes) {
    passes = co_await hold_back(Place::request_body, client_.stream, received_, Side::client,
                                Phase::request_body, upload_progress_);
  }
  upload_timer_.clear();
  upload_ended_ = true;
  must_close_ = must_close_ || !passes;
  co_return passes;
}

// The head, and the beginning of the body where it matters. Nothing of the response has gone to the
// client.
Task<bool> Exchange::filter_response() {
  if (filter_->looks_at_response_head()) {
    Buffer scratch = Buffer::take();
    const auto objection =
        filter_->check_response_head(fields_of(response_.fields), scratch.span());
    if (!weigh(objection, Side::upstream, Phase::response_head)) co_return false;
  }
  if (!looks_into(Place::response_body)) co_return true;
  download_deadline_ = Deadline::idle;
  download_progress_.idle = *rule().timeouts.idle;
  download_timer_.arm(download_progress_.idle);
  const bool passes =
      co_await hold_back(Place::response_body, upstream_->stream(), response_window_,
                         Side::upstream, Phase::response_body, download_progress_);
  download_timer_.clear();
  co_return passes;
}

// What a chunked upload came to. `end` is of its relay.
void Exchange::count_payload(const Body& body, RelayEnd& end) {
  if (filter_ == nullptr) return;
  const auto objection = filter_->check_payload(body.data_bytes());
  if (!objection) return;
  if (!filter_->enforces()) {
    report(*objection);
  } else if (end.error.kind == ErrorKind::filtered && !response_complete_ && !failure_) {
    end.error.detail = rules::describe(*objection);
    refused_ = true;
    refused_by_ = objection->check;
    services_.counters.filter_refused[objection->check].add();
  }
}

}  // namespace ocsproxy
