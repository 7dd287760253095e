#include "proxy/access_log_writer.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>

#include "proxy/log_drain.h"

namespace ocsproxy {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

// An empty ring is looked at this often: no worker makes a system call to announce its lines. In
// this time a ring fills only at 80 MB of log lines a second.
constexpr milliseconds kIdle{50};
// A full disk is tried this often.
constexpr milliseconds kRetry{1'000};

// A thread made during its life hears no signal: those of the process are for others, and those
// that a write causes (a file too large, a reader gone) come as errors instead.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace

// ---- the ring

AccessLogRing::AccessLogRing(std::size_t capacity, Format format)
    : mask_(capacity - 1),
      bytes_(std::make_unique_for_overwrite<char[]>(capacity)),
      format_(format) {}

bool AccessLogRing::push(std::string_view line) {
  const std::uint64_t head = head_.load(std::memory_order_relaxed);
  const std::size_t capacity = mask_ + 1;
  if (line.size() > capacity - (head - known_tail_)) {
    known_tail_ = tail_.load(std::memory_order_acquire);
    if (line.size() > capacity - (head - known_tail_)) {
      lost_.store(lost_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
      return false;
    }
  }
  const std::size_t at = head & mask_;
  const std::size_t to_end = std::min(line.size(), capacity - at);
  std::memcpy(bytes_.get() + at, line.data(), to_end);
  std::memcpy(bytes_.get(), line.data() + to_end, line.size() - to_end);
  head_.store(head + line.size(), std::memory_order_release);
  return true;
}

AccessLogRing::Queued AccessLogRing::queued(std::size_t offset) const {
  const std::uint64_t from = tail_.load(std::memory_order_relaxed) + offset;
  const std::uint64_t size = head_.load(std::memory_order_acquire) - from;
  const std::size_t at = from & mask_;
  const std::size_t to_end = std::min<std::size_t>(size, mask_ + 1 - at);
  return {{bytes_.get() + at, to_end}, {bytes_.get(), size - to_end}};
}

void AccessLogRing::release(std::size_t bytes) {
  tail_.store(tail_.load(std::memory_order_relaxed) + bytes, std::memory_order_release);
}

void log_exchange(AccessLogRing& ring, const AccessRecord& record) {
  std::array<char, kAccessLineBytes> buffer;
  ring.push(ring.format() == AccessLogRing::Format::json ? format_json(record, buffer)
                                                         : format_w3c(record, buffer));
}

// ---- the writer

AccessLogWriter::AccessLogWriter(Descriptor log, Format format, std::size_t workers, Report report,
                                 std::size_t ring_bytes)
    : report_(std::move(report)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      orders_{.log = std::move(log), .format = format} {
  for (std::size_t i = 0; i < workers; ++i) {
    rings_.push_back(std::make_unique<AccessLogRing>(ring_bytes, format));
  }
  const SignalsBlocked blocked;
  thread_ = std::thread([this] { run(); });
}

AccessLogWriter::~AccessLogWriter() { stop(); }

void AccessLogWriter::reopen(Descriptor log, Format format) {
  {
    const std::lock_guard lock(mutex_);
    orders_.log = std::move(log);
    orders_.format = format;
  }
  wake();
}

void AccessLogWriter::stop(milliseconds patience) {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    orders_.stop_at = Clock::now() + patience;
  }
  wake();
  thread_.join();
}

std::uint64_t AccessLogWriter::lost() const {
  std::uint64_t lost = lost_at_stop_.load(std::memory_order_relaxed);
  for (const auto& ring : rings_) lost += ring->lost();
  return lost;
}

// An eventfd that is full wakes all the same; without one, the thread looks by itself soon enough.
void AccessLogWriter::wake() const {
  const std::uint64_t one = 1;
  (void)!::write(wake_.get(), &one, sizeof one);
}

AccessLogWriter::Orders AccessLogWriter::take_orders() {
  std::uint64_t count = 0;
  (void)!::read(wake_.get(), &count, sizeof count);
  const std::lock_guard lock(mutex_);
  return {.log = std::move(orders_.log), .format = orders_.format, .stop_at = orders_.stop_at};
}

void AccessLogWriter::sleep(milliseconds time) const {
  pollfd polled{wake_.get(), POLLIN, 0};
  ::poll(&polled, 1, static_cast<int>(time.count()));
}

void AccessLogWriter::run() {
  LogDrain drain(rings_, report_, wake_.get());
  while (true) {
    Orders orders = take_orders();
    if (orders.log) drain.open(std::move(orders.log), orders.format);
    const LogDrain::Step step = drain.step();
    if (orders.stop_at && (step == LogDrain::Step::idle || Clock::now() >= *orders.stop_at)) break;
    if (step == LogDrain::Step::idle) sleep(kIdle);
    if (step == LogDrain::Step::failed) sleep(orders.stop_at ? kIdle : kRetry);
  }
  lost_at_stop_.store(drain.finish(), std::memory_order_relaxed);
}

}  // namespace ocsproxy
