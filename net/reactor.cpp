#include "net/reactor.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <array>
#include <cstdlib>
#include <new>
#include <thread>

namespace ocsproxy {
namespace {

constexpr int kEventsPerWait = 256;
// How many rounds in a row a busy set may have while the io_context waits for something of its own.
constexpr int kRoundsPerTurn = 4;
// What no slot can have: the eventfd.
constexpr std::uint64_t kNotification = ~std::uint64_t{0};

std::chrono::nanoseconds monotonic_now() {
  return std::chrono::steady_clock::now().time_since_epoch();
}

std::chrono::milliseconds in_milliseconds(std::chrono::nanoseconds time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time);
}

// Memory comes back, and a loop that ended here would not.
template <typename Work>
void insist(const Work& work) {
  while (true) {
    try {
      work();
      return;
    } catch (const std::bad_alloc&) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
}

}  // namespace

// What is thrown for want of memory in a step that no coroutine surrounds: the step is lost, and
// the deadlines of its connection end what it should have.
template <typename Step>
void Reactor::take_step(const Step& step) {
  try {
    step();
  } catch (const std::bad_alloc&) {
    ++starved_steps_;
  }
}

Reactor::Reactor(boost::asio::io_context& io)
    : io_(io),
      epoll_(io),
      notification_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      ticker_(io),
      now_(in_milliseconds(monotonic_now())),
      timers_(now_) {
  const int fd = ::epoll_create1(EPOLL_CLOEXEC);
  epoll_event event{.events = EPOLLIN | EPOLLET, .data = {.u64 = kNotification}};
  // A worker that cannot have an epoll set cannot do anything; this happens only at start.
  if (fd < 0 || ::epoll_ctl(fd, EPOLL_CTL_ADD, notification_.get(), &event) != 0) std::abort();
  epoll_.assign(fd);
  watch();
}

Reactor::~Reactor() { stop(); }

void Reactor::stop() {
  if (std::exchange(stopped_, true)) return;
  ticker_.cancel();
  boost::system::error_code ignored;
  epoll_.cancel(ignored);
}

void Reactor::notify() {
  const std::uint64_t one = 1;
  // It fails only when the counter is full, and then it has been read as little as before.
  (void)!::write(notification_.get(), &one, sizeof one);
}

std::chrono::nanoseconds Reactor::look_at_clock() {
  const std::chrono::nanoseconds time = monotonic_now();
  now_ = in_milliseconds(time);
  timers_.set_now(now_);
  return time;
}

// One of the two sleeps: this set, or the io_context with this set among what it waits for.
void Reactor::take_turns() {
  run();
  if (stopped_) return;
  if (!sleeps_here()) {
    watch();
    return;
  }
  // Behind what was posted.
  insist([this] {
    boost::asio::post(io_, [this] {
      if (!stopped_) take_turns();
    });
  });
}

void Reactor::watch() {
  insist([this] {
    epoll_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                      [this](const boost::system::error_code&) {
                        if (stopped_) return;
                        ticker_.cancel();
                        take_turns();
                      });
  });
  tick();
}

// While the io_context sleeps.
void Reactor::tick() {
  ticker_.expires_after(TimerWheel::kTick);
  insist([this] {
    ticker_.async_wait([this](const boost::system::error_code& error) {
      if (error || stopped_) return;
      look_at_clock();
      advance_timers();
      run_deferred();
      if (stopped_) return;
      if (!sleeps_here()) {
        tick();
        return;
      }
      boost::system::error_code ignored;
      epoll_.cancel(ignored);  // which ends the wait above
    });
  });
}

// A callback that throws leaves the rest of its slot to the next call.
void Reactor::advance_timers() {
  take_step([this] { timers_.advance(now_); });
}

// Until the io_context must have its turn.
void Reactor::run() {
  running_ = true;
  notified_ = false;
  run_deferred();  // what posted work has put off, which is not to wait for the end of a sleep
  std::array<epoll_event, kEventsPerWait> events;
  for (int rounds = 0; !stopped_ && !notified_; ++rounds) {
    const bool here = sleeps_here();
    if (!here && rounds == kRoundsPerTurn) break;
    const int count = here ? wait_here(events) : look(events, 0);
    if (!here && count <= 0) break;
    quiet_ = count <= 0;
    moderation_.looked(look_at_clock(), count);
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      handle(event.data.u64, event.events);
    }
    advance_timers();
    run_deferred();
  }
  running_ = false;
}

int Reactor::look(std::span<epoll_event> events, int milliseconds) {
  return ::epoll_wait(epoll_.native_handle(), events.data(), static_cast<int>(events.size()),
                      milliseconds);
}

int Reactor::wait_here(std::span<epoll_event> events) {
  if (moderation_.pays()) {
    const int count = look(events, 0);
    if (count != 0) return count;
    std::this_thread::sleep_for(WakeModeration::kPause);
  }
  return look(events, longest_sleep());
}

// In milliseconds, as epoll_wait wants it. After a quiet tick the sleep lasts until a timer may be
// due: idle connections cost an idle worker nothing.
int Reactor::longest_sleep() const {
  const std::chrono::milliseconds due = quiet_ ? timers_.next(now_) : TimerWheel::kTick;
  return static_cast<int>(due.count());
}

void Reactor::handle(std::uint64_t key, std::uint32_t events) {
  if (key == kNotification) {
    std::uint64_t times = 0;
    (void)!::read(notification_.get(), &times, sizeof times);
    notified_ = true;
    return;
  }
  // What was removed while this batch was handled has another generation by now.
  if (alive(key)) {
    take_step([&] { slots_[static_cast<std::uint32_t>(key)].pollable->on_events(events); });
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
  if (running_ || std::exchange(deferred_scheduled_, true)) return;
  // Not every caller runs inside the loop's own turn (a posted task does not).
  insist([this] { boost::asio::post(io_, [this] { run_deferred(); }); });
}

void Reactor::run_deferred() {
  deferred_scheduled_ = false;
  // Both lists may grow while they are worked off.
  while (!deferred_.empty() || !woken_.empty()) {
    for (std::size_t i = 0; i < woken_.size(); ++i) {
      const std::uint64_t key = woken_[i];
      handle(key, 0);
    }
    woken_.clear();
    if (deferred_.empty()) return;
    const std::function<void()> work = std::move(deferred_.front());
    deferred_.pop_front();
    take_step(work);
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
    // So that neither destroying nor waking needs memory.
    free_slots_.reserve(slots_.capacity());
    woken_.reserve(2 * slots_.capacity());
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
