#include "proxy/head_scanner.h"

#include <algorithm>
#include <bit>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace ocsproxy {
namespace {

constexpr bool is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte < 0x20 && byte != '\t') || byte == 0x7f;
}

// The first control byte (HTAB is none) at or after `from`; `text.size()` when there is none.
std::size_t find_control(std::span<const char> text, std::size_t from) {
#ifdef __SSE2__
  const __m128i last_control = _mm_set1_epi8(0x1f);
  const __m128i tab = _mm_set1_epi8('\t');
  const __m128i del = _mm_set1_epi8(0x7f);
  while (from + 16 <= text.size()) {
    const __m128i block =
        _mm_loadu_si128(static_cast<const __m128i*>(static_cast<const void*>(text.data() + from)));
    const __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(block, last_control), block);
    const __m128i bad =
        _mm_or_si128(_mm_andnot_si128(_mm_cmpeq_epi8(block, tab), low), _mm_cmpeq_epi8(block, del));
    const int mask = _mm_movemask_epi8(bad);
    if (mask != 0) {
      return from + static_cast<std::size_t>(std::countr_zero(static_cast<unsigned>(mask)));
    }
    from += 16;
  }
#endif
  while (from < text.size() && !is_control(text[from])) ++from;
  return from;
}

}  // namespace

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
  const std::span<const char> text = received_.first(std::min(received_.size(), kMaxHeadBytes));
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
