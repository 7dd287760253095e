#include "net/reactor.h"

#include <sys/epoll.h>

#include <array>
#include <cstdlib>

#include <boost/asio/post.hpp>

namespace ocsproxy {
namespace {

constexpr int kEventsPerWait = 256;
// How many times in a row the set is asked before timers and the io_context get their turn.
constexpr int kWaitsPerTurn = 4;

std::chrono::milliseconds monotonic_now() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now().time_since_epoch());
}

}  // namespace

Reactor::Reactor(boost::asio::io_context& io)
    : io_(io), epoll_(io), ticker_(io), now_(monotonic_now()), timers_(now_) {
  const int fd = ::epoll_create1(EPOLL_CLOEXEC);
  // A worker that cannot have an epoll set cannot do anything; this happens only at start.
  if (fd < 0) std::abort();
  epoll_.assign(fd);
  watch();
  tick();
}

Reactor::~Reactor() { stop(); }

void Reactor::stop() {
  if (std::exchange(stopped_, true)) return;
  ticker_.cancel();
  boost::system::error_code ignored;
  epoll_.cancel(ignored);
}

void Reactor::watch() {
  epoll_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                    [this](boost::system::error_code error) {
                      if (error || stopped_) return;
                      run_ready();
                      if (!stopped_) watch();
                    });
}

void Reactor::tick() {
  ticker_.expires_after(TimerWheel::kTick);
  ticker_.async_wait([this](boost::system::error_code error) {
    if (error || stopped_) return;
    now_ = monotonic_now();
    timers_.advance(now_);
    run_deferred();
    if (!stopped_) tick();
  });
}

void Reactor::run_ready() {
  std::array<epoll_event, kEventsPerWait> events;
  for (int turn = 0; turn < kWaitsPerTurn; ++turn) {
    const int count = ::epoll_wait(epoll_.native_handle(), events.data(), kEventsPerWait, 0);
    if (count <= 0) return;
    now_ = monotonic_now();
    for (int i = 0; i < count; ++i) {
      const std::uint64_t key = events[static_cast<std::size_t>(i)].data.u64;
      // What was removed while this batch was handled has another generation by now.
      if (!alive(key)) continue;
      slots_[static_cast<std::uint32_t>(key)].pollable->on_events(
          events[static_cast<std::size_t>(i)].events);
    }
    run_deferred();
    if (stopped_) return;
  }
}

void Reactor::defer(std::function<void()> work) {
  deferred_.push_back(std::move(work));
  schedule_deferred();
}

void Reactor::wake(std::uint64_t key) {
  woken_.push_back(key);
  schedule_deferred();
}

void Reactor::schedule_deferred() {
  if (std::exchange(deferred_scheduled_, true)) return;
  // Not every caller runs inside the loop's own turn (a posted task does not).
  boost::asio::post(io_, [this] { run_deferred(); });
}

void Reactor::run_deferred() {
  deferred_scheduled_ = false;
  // Both lists may grow while they are worked off.
  while (!deferred_.empty() || !woken_.empty()) {
    for (std::size_t i = 0; i < woken_.size(); ++i) {
      const std::uint64_t key = woken_[i];
      if (alive(key)) slots_[static_cast<std::uint32_t>(key)].pollable->on_events(0);
    }
    woken_.clear();
    if (deferred_.empty()) return;
    const std::function<void()> work = std::move(deferred_.front());
    deferred_.pop_front();
    work();
  }
}

bool Reactor::alive(std::uint64_t key) const {
  const Slot& slot = slots_[static_cast<std::uint32_t>(key)];
  return slot.pollable != nullptr && slot.generation == static_cast<std::uint32_t>(key >> 32);
}

std::uint64_t Reactor::add(Pollable& pollable, int fd, std::uint32_t events) {
  std::uint32_t index;
  if (free_slots_.empty()) {
    index = static_cast<std::uint32_t>(slots_.size());
    slots_.emplace_back();
  } else {
    index = free_slots_.back();
    free_slots_.pop_back();
  }
  slots_[index].pollable = &pollable;
  const std::uint64_t key = std::uint64_t{slots_[index].generation} << 32 | index;
  epoll_event event{};
  event.events = events | EPOLLET;
  event.data.u64 = key;
  // Fails only for lack of kernel memory or of the user's epoll watches; the connection then meets
  // its deadline.
  (void)::epoll_ctl(epoll_.native_handle(), EPOLL_CTL_ADD, fd, &event);
  return key;
}

void Reactor::remove(std::uint64_t key, int fd) {
  const auto index = static_cast<std::uint32_t>(key);
  slots_[index].pollable = nullptr;
  ++slots_[index].generation;
  free_slots_.push_back(index);
  // Closing would do, were the descriptor never shared with another process.
  if (fd >= 0) (void)::epoll_ctl(epoll_.native_handle(), EPOLL_CTL_DEL, fd, nullptr);
}

Pollable::Pollable(Reactor& reactor, Descriptor fd, std::uint32_t events)
    : reactor_(&reactor), fd_(std::move(fd)), key_(reactor.add(*this, fd_.get(), events)) {}

Pollable::~Pollable() { close(); }

void Pollable::close() {
  if (!fd_) return;
  reactor_->remove(key_, fd_.get());
  fd_.reset();
}

}  // namespace ocsproxy
