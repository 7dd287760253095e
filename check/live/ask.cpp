#include "check/live/ask.h"

#include <algorithm>
#include <span>

#include "base/text.h"
#include "net/timer_wheel.h"
#include "proxy/chunked.h"
#include "proxy/framing.h"
#include "proxy/head_parser.h"

namespace ocsproxy {
namespace {

// What is longer is not waited for: the connection is given up instead.
constexpr std::uint64_t kLongestBody = 1 << 20;

void expire(void* socket) {
  static_cast<Socket*>(socket)->cancel(
      Error{.kind = ErrorKind::timeout, .side = Side::upstream, .phase = Phase::response_head});
}

Error upstream_error(ErrorKind kind, std::string detail) {
  return Error{.kind = kind,
               .side = Side::upstream,
               .phase = Phase::response_head,
               .detail = std::move(detail)};
}

Error error_of(const Stream& stream, IoStatus status) {
  if (status == IoStatus::closed) return upstream_error(ErrorKind::closed, {});
  Error error = stream.error();
  error.side = Side::upstream;
  error.phase = Phase::response_head;
  return error;
}

SiteAnswer answer_of(const ResponseHead& head) {
  SiteAnswer answer;
  answer.status = head.status;
  answer.date = head.fields.value(FieldId::date);
  answer.location = head.fields.value(FieldId::location);
  for (const FieldView& field : head.fields) {
    answer.sets_cookie |= field.id == FieldId::set_cookie;
    if (field.id == FieldId::www_authenticate) answer.challenges.emplace_back(field.value);
  }
  return answer;
}

// The body's end, as its framing tells it.
class BodyEnd {
 public:
  explicit BodyEnd(const ResponseFraming& framing)
      : kind_(framing.body), left_(framing.body == BodyKind::length ? framing.length : 0) {}

  bool reached() const { return kind_ != BodyKind::chunked ? left_ == 0 : ended_; }
  bool too_far() const { return failed_ || seen_ > kLongestBody || left_ > kLongestBody; }

  void feed(std::span<const char> data) {
    seen_ += data.size();
    if (kind_ != BodyKind::chunked) {
      failed_ = data.size() > left_;
      left_ -= std::min<std::uint64_t>(left_, data.size());
      return;
    }
    while (!data.empty() && !ended_ && !failed_) {
      ChunkedDecoder::Output pieces;
      const auto state = decoder_.feed(data, pieces);
      ended_ = state == ChunkedDecoder::State::complete;
      failed_ = state == ChunkedDecoder::State::failed;
      data = data.subspan(pieces.consumed);
    }
  }

 private:
  BodyKind kind_;
  std::uint64_t left_;
  std::uint64_t seen_ = 0;
  bool ended_ = false;
  bool failed_ = false;
  ChunkedDecoder decoder_{ChunkedDecoder::Mode::data, Side::upstream};
};

// Reads a body of which `buffer` holds the first bytes; was there an end that leaves the connection
// usable?
Task<bool> skip_body(Stream& stream, const ResponseFraming& framing, std::span<char> buffer,
                     std::size_t begun) {
  if (framing.body == BodyKind::until_close) co_return false;
  BodyEnd end(framing);
  end.feed(buffer.first(begun));
  while (!end.reached() && !end.too_far()) {
    const IoResult got = co_await stream.read(buffer);
    if (got.status != IoStatus::ok) co_return false;
    end.feed(buffer.first(got.bytes));
  }
  co_return end.reached() && !end.too_far() && framing.keep_alive;
}

}  // namespace

const std::string* SiteAnswer::challenge(std::string_view scheme) const {
  const auto found = std::ranges::find_if(challenges, [scheme](const std::string& one) {
    return iequals(std::string_view(one).substr(0, one.find(' ')), scheme);
  });
  return found == challenges.end() ? nullptr : &*found;
}

Task<Result<SiteAnswer>> ask(Stream& stream, std::string head) {
  Timer deadline(stream.socket().reactor().timers(), &expire, &stream.socket());
  deadline.arm(kAnswerDeadline);
  const IoStatus sent = co_await stream.write(head);
  if (sent != IoStatus::ok) co_return error_of(stream, sent);

  std::vector<char> received(2 * kMaxHeadBytes);
  std::size_t size = 0;
  HeadProgress progress;
  ResponseHead parsed;
  while (true) {
    const HeadOutcome outcome = parse_response_head({received.data(), size}, progress, parsed);
    ResponseFraming framing;
    Refusal refusal = outcome.refusal;
    if (outcome.state == HeadOutcome::State::complete) {
      refusal = response_framing(parsed, {}, framing);
    }
    if (refusal) co_return upstream_error(ErrorKind::malformed, std::string(refusal.why));
    if (outcome.state == HeadOutcome::State::complete) {
      SiteAnswer answer = answer_of(parsed);
      std::copy(received.begin() + static_cast<std::ptrdiff_t>(outcome.size),
                received.begin() + static_cast<std::ptrdiff_t>(size), received.begin());
      size -= outcome.size;
      if (!framing.interim) {
        answer.keep_alive = co_await skip_body(stream, framing, received, size);
        co_return answer;
      }
      progress = {};
      continue;
    }
    const IoResult got = co_await stream.read(std::span(received).subspan(size));
    if (got.status != IoStatus::ok) co_return error_of(stream, got.status);
    size += got.bytes;
  }
}

}  // namespace ocsproxy
