// The first pass over a head: finds its end and refuses every byte that could make two parsers
// disagree about where a line ends. What it lets through is clean text in CRLF lines, so that the
// second pass can split fields without looking for traps.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "proxy/head_parser.h"

namespace ocsproxy {

class HeadScanner {
 public:
  // The part of a message that differs between requests and responses: judges the start line, given
  // without its CRLF. Called once, when that line is complete.
  using StartLineCheck = Refusal (*)(std::string_view line);

  // `status` of malformed heads and `too_large` of oversized ones.
  struct Statuses {
    std::uint16_t malformed;
    std::uint16_t line_too_long;
    std::uint16_t too_large;
  };

  HeadScanner(std::span<const char> received, HeadProgress& progress, Statuses statuses,
              StartLineCheck check)
      : received_(received), progress_(progress), statuses_(statuses), check_(check) {}

  HeadOutcome scan();
  // After a complete scan: the head from its start line, without a leading empty line.
  std::string_view head(const HeadOutcome& outcome) const {
    return {received_.data() + progress_.start_, outcome.size - progress_.start_};
  }

 private:
  // One line ended at `end` (the position of its CR). Fills `outcome` when the head ended too.
  bool finish_line(std::size_t end, HeadOutcome& outcome);
  HeadOutcome wait_or_refuse_size() const;
  static HeadOutcome refuse(Refusal refusal);
  Refusal bad_byte(char byte) const;

  std::span<const char> received_;
  HeadProgress& progress_;
  Statuses statuses_;
  StartLineCheck check_;
};

}  // namespace ocsproxy
