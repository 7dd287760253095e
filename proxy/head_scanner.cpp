#include "proxy/head_scanner.h"

#include <algorithm>

#include "base/text.h"

namespace ocsproxy {

HeadOutcome HeadScanner::refuse(Refusal refusal) {
  return {.state = HeadOutcome::State::refused, .size = 0, .refusal = refusal};
}

Refusal HeadScanner::bad_byte(char byte) const {
  if (byte == '\n') return {statuses_.malformed, "a line of the head ends with LF alone"};
  if (byte == '\0') return {statuses_.malformed, "the head contains a NUL byte"};
  return {statuses_.malformed, "the head contains a control byte"};
}

HeadOutcome HeadScanner::wait_or_refuse_size() const {
  if (received_.size() < kMaxHeadBytes) return {};
  if (progress_.lines_ == 0) {
    return refuse({statuses_.line_too_long, "the start line is longer than a head may be"});
  }
  return refuse({statuses_.too_large, "the head is larger than 32 KiB"});
}

bool HeadScanner::finish_line(std::size_t end, HeadOutcome& outcome) {
  const std::string_view line(received_.data() + progress_.line_, end - progress_.line_);
  progress_.line_ = end + 2;
  progress_.scanned_ = end + 2;
  if (line.empty()) {
    if (progress_.lines_ > 0) {
      outcome = {.state = HeadOutcome::State::complete, .size = end + 2, .refusal = {}};
      return true;
    }
    // RFC 9112 2.2: one empty line before a start line is left over from a clumsy client.
    if (progress_.start_ > 0) {
      outcome = refuse({statuses_.malformed, "more than one empty line before the start line"});
      return true;
    }
    progress_.start_ = end + 2;
    return false;
  }
  if (progress_.lines_ == 0) {
    if (const Refusal refusal = check_(line)) {
      outcome = refuse(refusal);
      return true;
    }
  } else if (line.front() == ' ' || line.front() == '\t') {
    outcome = refuse({statuses_.malformed, "a line of the head begins with white space"});
    return true;
  } else if (progress_.lines_ > FieldList::kMax) {
    outcome = refuse({statuses_.too_large, "more than 100 fields in the head"});
    return true;
  }
  ++progress_.lines_;
  return false;
}

HeadOutcome HeadScanner::scan() {
  const std::string_view text(received_.data(), std::min(received_.size(), kMaxHeadBytes));
  for (;;) {
    const std::size_t at = find_control(text, progress_.scanned_);
    progress_.scanned_ = at;
    if (at == text.size()) return wait_or_refuse_size();
    if (text[at] != '\r') return refuse(bad_byte(text[at]));
    if (at + 1 == text.size()) return wait_or_refuse_size();
    if (text[at + 1] != '\n') {
      return refuse({statuses_.malformed, "the head contains a CR without LF"});
    }
    HeadOutcome outcome;
    if (finish_line(at, outcome)) return outcome;
  }
}

}  // namespace ocsproxy
