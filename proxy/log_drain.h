// The log thread's work: what is queued in the rings goes into a descriptor that may be full, slow
// or gone, line by line whole. One step at a time, so that the thread hears of a new descriptor or
// of the end between any two.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/descriptor.h"
#include "proxy/access_log_writer.h"

namespace ocsproxy {

class LogDrain {
 public:
  using Format = AccessLogWriter::Format;
  using Clock = std::chrono::steady_clock;
  enum class Step : std::uint8_t {
    wrote,   // there may be more
    idle,    // everything is written
    busy,    // the descriptor takes nothing at the moment
    failed,  // writing is refused: a full disk, a reader that has gone
  };

  // The rings and the report outlive it; `wake` is a descriptor that becomes readable when the
  // thread is wanted.
  LogDrain(std::span<const std::unique_ptr<AccessLogRing>> rings,
           const AccessLogWriter::Report& report, int wake)
      : rings_(rings), report_(report), wake_(wake) {}

  // Lines go there from now on, a line that is half written too: whole.
  void open(Descriptor log, Format format);

  // Writes once, at most what is queued; waits a little where the descriptor is a slow pipe.
  Step step();

  // The end: tells of what was lost, and gives the number of lines that are queued and will not be
  // written.
  std::uint64_t finish();

 private:
  struct Written {
    Step step = Step::idle;
    std::size_t bytes = 0;
  };

  Step write_notice();
  Step write_lines();
  Written write(std::string_view first, std::string_view second);
  bool wait_for_room();
  void fail(int error);
  bool next_ring();
  void remark(std::uint64_t lost);
  std::uint64_t lost_in_rings() const;
  void watch_losses(std::uint64_t lost);

  const std::span<const std::unique_ptr<AccessLogRing>> rings_;
  const AccessLogWriter::Report& report_;
  const int wake_;

  Descriptor log_;
  Format format_ = Format::w3c;
  bool is_file_ = false;  // writing to it never waits for a reader

  // Header lines and remarks; they go before further lines, but never into one.
  std::string notice_;
  std::size_t notice_written_ = 0;

  // The ring whose turn it is, and how much of its first line is written already.
  std::size_t ring_ = 0;
  std::size_t offset_ = 0;

  // Lines lost that the log tells of, and those that it will when `notice_` is written.
  std::uint64_t remarked_ = 0;
  std::uint64_t remarking_ = 0;
  Clock::time_point last_remark_{};

  // What the administrator was told already.
  bool failing_ = false;
  bool losing_ = false;
  std::uint64_t lost_seen_ = 0;
  std::uint64_t lost_before_ = 0;  // when the losses began that are being told of
  Clock::time_point last_loss_{};
};

}  // namespace ocsproxy
