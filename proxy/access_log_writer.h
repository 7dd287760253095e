// The access log's way to the disk, off the data path. Each worker puts finished lines into a ring
// of its own; one thread empties the rings into the file. A worker never waits: when its ring is
// full because the disk is slow or full, the line is counted as lost, and the log says so itself.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <thread>
#include <vector>

#include "base/descriptor.h"
#include "base/log.h"
#include "proxy/access_log.h"
#include "settings/settings.h"

namespace ocsproxy {

// Lines on their way from one worker to the log's thread: one producer, one consumer, only loads
// and stores between them. Each side's counters have a cache line to themselves, hence the padding.
class AccessLogRing {  // NOLINT(clang-analyzer-optin.performance.Padding)
 public:
  using Format = settings::AccessLog::Format;

  // `capacity` is a power of two, in bytes; the memory is touched as it is used.
  AccessLogRing(std::size_t capacity, Format format);
  AccessLogRing(const AccessLogRing&) = delete;  // used by address from two threads

  // How lines are to be written now; follows the file that the log's thread has open.
  Format format() const { return format_.load(std::memory_order_relaxed); }
  void set_format(Format format) { format_.store(format, std::memory_order_relaxed); }

  // The producer. `line` ends with its only "\n". False: no room, the line is counted as lost.
  bool push(std::string_view line);

  // Any thread. What push did not take.
  std::uint64_t lost() const { return lost_.load(std::memory_order_relaxed); }

  // The consumer: all that is queued behind `offset` bytes already looked at, in at most two parts,
  // and always up to the end of a line.
  struct Queued {
    std::string_view first;
    std::string_view second;
    std::size_t size() const { return first.size() + second.size(); }
  };
  Queued queued(std::size_t offset) const;
  // The first `bytes` of what is queued, whole lines, are done with.
  void release(std::size_t bytes);

 private:
  static constexpr std::size_t kCacheLine = 64;

  const std::size_t mask_;
  const std::unique_ptr<char[]> bytes_;
  std::atomic<Format> format_;

  // The producer's side.
  alignas(kCacheLine) std::atomic<std::uint64_t> head_{0};  // bytes ever pushed
  std::atomic<std::uint64_t> lost_{0};
  std::uint64_t known_tail_ = 0;  // an old value of tail_, asked for again only when it matters

  // The consumer's side.
  alignas(kCacheLine) std::atomic<std::uint64_t> tail_{0};  // bytes ever released
};

// Formats the line of an exchange and pushes it. The ring's producer.
void log_exchange(AccessLogRing& ring, const AccessRecord& record);

// Owns the thread and the rings. It writes to descriptors that it is given and opens nothing: the
// log may belong to root, and the one who opens it is not the one who serves.
//
// When the disk is full, what is queued waits and is tried again each second; a line is written
// whole or not at all, also across a full disk, and lines that were lost appear in the log as
// "#Remark: N lines lost" (in JSON {"remark":…,"lost":N}) as soon as it can be written.
class AccessLogWriter {
 public:
  using Format = settings::AccessLog::Format;
  // Receives what the administrator must know, once an episode; called on the log's thread.
  using Report = std::function<void(LogLevel, std::string_view)>;
  static constexpr std::size_t kRingBytes = std::size_t{4} * 1024 * 1024;
  // How long stop() waits for a reader or a disk that does not take what is queued.
  static constexpr std::chrono::milliseconds kStopPatience{5'000};

  // `log` is open for appending; one ring for each worker.
  AccessLogWriter(Descriptor log, Format format, std::size_t workers, Report report,
                  std::size_t ring_bytes = kRingBytes);
  ~AccessLogWriter();  // stops
  AccessLogWriter(const AccessLogWriter&) = delete;

  // For the thread of that worker alone, which must end before the writer does.
  AccessLogRing& ring(std::size_t worker) { return *rings_[worker]; }

  // Any thread. From now on lines go to `log`, which begins with header lines again; the line that
  // is being written goes to one of the two files whole. A line that was formatted before and not
  // yet written keeps its format.
  void reopen(Descriptor log, Format format);

  // Any thread but the log's, once the workers push no more: writes all that is queued and ends the
  // thread. What cannot be written within `patience` is lost, and reported.
  void stop(std::chrono::milliseconds patience = kStopPatience);

  // Lines lost so far, in full rings and at stop. Any thread.
  std::uint64_t lost() const;

 private:
  // What the log's thread is told.
  struct Orders {
    Descriptor log{};  // empty: go on with the one there is
    Format format = Format::w3c;
    std::optional<std::chrono::steady_clock::time_point> stop_at{};
  };

  void wake() const;
  void run();
  Orders take_orders();
  void sleep(std::chrono::milliseconds time) const;

  const Report report_;
  std::vector<std::unique_ptr<AccessLogRing>> rings_;
  const Descriptor wake_;
  std::mutex mutex_;  // guards orders_; no worker ever takes it
  Orders orders_;
  std::atomic<std::uint64_t> lost_at_stop_{0};
  std::thread thread_;
};

}  // namespace ocsproxy
