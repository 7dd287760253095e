// The readiness of one worker's sockets: an edge-triggered epoll set of our own, nested in the
// worker's io_context (which runs what is rare: posted work and DNS). A socket is registered once
// for its life; what it may do is remembered in user space, I/O is tried first, and only what would
// block waits here.
//
// A worker sleeps in this set, not in the io_context's, which would cost every sleep three system
// calls more (`sleep_here`). The io_context gets its turn when something was posted, and does the
// sleeping while it waits for something of its own.
#pragma once

#include <chrono>
#include <coroutine>
#include <cstdint>
#include <deque>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/descriptor.h"
#include "net/timer_wheel.h"
#include "net/wake_moderation.h"

struct epoll_event;

namespace ocsproxy {

class Pollable;

// All calls on the worker's thread.
class Reactor {
 public:
  explicit Reactor(boost::asio::io_context& io);
  ~Reactor();
  Reactor(const Reactor&) = delete;
  Reactor& operator=(const Reactor&) = delete;

  boost::asio::io_context& io() { return io_; }
  TimerWheel& timers() { return timers_; }
  // Monotonic; refreshed once per turn of the loop.
  std::chrono::milliseconds now() const { return now_; }

  // Runs `work` from the loop, after what runs now has returned. For what must not happen in the
  // middle of a caller's step: destroying a connection, waking its coroutine.
  void defer(std::function<void()> work);

  // Runs `work` from the io_context, soon. Any thread, as long as this object lives.
  template <typename Work>
  void post(Work&& work) {
    boost::asio::post(io_, std::forward<Work>(work));
    notify();
  }
  // From now on the io_context sleeps only while `io_waits` says that it has sockets or timers to
  // wait for; it is asked before each sleep. All posting must go through `post`.
  void sleep_here(std::function<bool()> io_waits) { io_waits_ = std::move(io_waits); }

  // How often memory was missing where only the loop was there to notice.
  std::uint64_t starved_steps() const { return starved_steps_; }

  // Stops watching, so that the io_context can run out of work.
  void stop();

 private:
  friend class Pollable;
  std::uint64_t add(Pollable& pollable, int fd, std::uint32_t events);
  void remove(std::uint64_t key, int fd);
  // Has the pollable of this key not been destroyed or closed yet?
  bool alive(std::uint64_t key) const;
  // Calls its on_events(0) from the loop, unless it is gone by then.
  void wake(std::uint64_t key);
  void schedule_deferred();
  void notify();
  bool sleeps_here() const { return io_waits_ && !io_waits_(); }
  std::chrono::nanoseconds look_at_clock();
  void take_turns();
  void watch();
  void run();
  int look(std::span<epoll_event> events, int milliseconds);
  int wait_here(std::span<epoll_event> events);
  int longest_sleep() const;
  void handle(std::uint64_t key, std::uint32_t events);
  void run_deferred();
  void tick();
  void advance_timers();
  template <typename Step>
  void take_step(const Step& step);

  struct Slot {
    Pollable* pollable = nullptr;
    std::uint32_t generation = 0;
  };
  boost::asio::io_context& io_;
  boost::asio::posix::stream_descriptor epoll_;
  Descriptor notification_;         // an eventfd: something was posted
  std::function<bool()> io_waits_;  // empty: the io_context sleeps
  boost::asio::steady_timer ticker_;
  std::chrono::milliseconds now_;
  TimerWheel timers_;
  WakeModeration moderation_;
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_slots_;
  std::deque<std::function<void()>> deferred_;
  std::vector<std::uint64_t> woken_;
  std::uint64_t starved_steps_ = 0;
  bool deferred_scheduled_ = false;
  bool running_ = false;   // inside `run`, which ends its rounds with what was deferred
  bool notified_ = false;  // the io_context has posted work
  bool quiet_ = false;     // the last tick brought nothing
  bool stopped_ = false;
};

// co_await NextTurn(reactor): goes on when the loop has looked at all sockets once more. For who
// could go on for long without waiting for anything.
class NextTurn {
 public:
  explicit NextTurn(Reactor& reactor) : reactor_(reactor) {}
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> awaiting) {
    reactor_.post([awaiting] { awaiting.resume(); });
  }
  void await_resume() const {}

 private:
  Reactor& reactor_;
};

// Something with a descriptor in the reactor's set.
class Pollable {
 public:
  Pollable(const Pollable&) = delete;  // registered by address
  Pollable& operator=(const Pollable&) = delete;

  int fd() const { return fd_.get(); }
  Reactor& reactor() const { return *reactor_; }

 protected:
  // Registers `fd` edge-triggered for `events` (EPOLLIN, ...).
  Pollable(Reactor& reactor, Descriptor fd, std::uint32_t events);
  virtual ~Pollable();
  // `events`: what epoll reported; 0: `wake` was called. May destroy this object.
  virtual void on_events(std::uint32_t events) = 0;
  // Asks for on_events(0) from the loop, after what runs now has returned.
  void wake() { reactor_->wake(key_); }
  // To tell after a callback whether this object still exists: `reactor.alive(key)`.
  std::uint64_t key() const { return key_; }
  static bool alive(const Reactor& reactor, std::uint64_t key) { return reactor.alive(key); }
  // Closes the descriptor now.
  void close();

 private:
  friend class Reactor;
  Reactor* reactor_;
  Descriptor fd_;
  std::uint64_t key_;
};

}  // namespace ocsproxy
