// Heads of HTTP/1 messages, strictly (RFC 9112 2 to 5): what two parsers could read differently is
// refused, not repaired. Parsed in place without allocation; pure functions of their arguments.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "proxy/head.h"

namespace ocsproxy {

// Start line, fields, the empty line that ends them and one leading empty line, in bytes.
inline constexpr std::size_t kMaxHeadBytes = 32768;
// Methods longer than any that is registered or known from the field are answered with 501.
inline constexpr std::size_t kMaxMethodBytes = 48;

// How far the search for the end of one head has come, so that a head that arrives byte by byte
// costs linear time. The caller keeps it between calls and starts each message with a fresh one.
class HeadProgress {
 public:
  // Has anything but a leading empty line arrived? Without it, an end of input is no error.
  bool started() const { return start_ < scanned_; }

 private:
  friend class HeadScanner;
  std::size_t scanned_ = 0;  // every byte before it was judged
  std::size_t line_ = 0;     // where the line that contains scanned_ begins
  std::size_t start_ = 0;    // where the start line begins
  std::size_t lines_ = 0;    // complete lines, the start line included
};

struct HeadOutcome {
  enum class State : std::uint8_t { need_more, complete, refused };
  State state = State::need_more;
  std::size_t size = 0;  // complete: the bytes that the head takes, leading empty line included
  Refusal refusal;       // refused: 400, 414, 431, 501 or 505 for a request, 502 for a response
};

// `received` is all that has come of the message, from its first byte on; it only grows between
// calls, though it may lie elsewhere. When the outcome is complete, `head` holds views into
// `received`; before that its content is unspecified. A refusal comes as early as the bytes allow
// it: a control byte is refused at once, a start line when its end has come.
HeadOutcome parse_request_head(std::span<const char> received, HeadProgress& progress,
                               RequestHead& head);
HeadOutcome parse_response_head(std::span<const char> received, HeadProgress& progress,
                                ResponseHead& head);

}  // namespace ocsproxy
