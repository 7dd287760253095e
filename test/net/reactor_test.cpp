#include "net/reactor.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <future>
#include <memory>
#include <string>
#include <thread>

#include <boost/asio/executor_work_guard.hpp>
#include <gtest/gtest.h>

#include "net/socket.h"

namespace ocsproxy {
namespace {

using std::chrono::milliseconds;
constexpr std::chrono::seconds kPatience{30};

// Says when something has arrived at one end of a socket pair.
class Ears final : public Pollable {
 public:
  Ears(Reactor& reactor, int fd) : Pollable(reactor, Descriptor(fd), EPOLLIN) {}
  ~Ears() override = default;
  std::future<void> heard() { return heard_.get_future(); }
  bool again_on_wake = false;

 private:
  void on_events(std::uint32_t events) override {
    if (events == 0) {
      heard_.set_value();
      return;
    }
    char byte = 0;
    if (::recv(fd(), &byte, 1, MSG_DONTWAIT) != 1) return;
    again_on_wake ? wake() : heard_.set_value();
  }
  std::promise<void> heard_;
};

// A loop on its own thread that sleeps in the reactor's set, as a worker does.
class SleepingReactor : public ::testing::Test {
 protected:
  SleepingReactor() {
    reactor_.sleep_here([this] { return io_waits_.load(); });
    thread_ = std::thread([this] { io_.run(); });
  }
  ~SleepingReactor() override {
    reactor_.post([this] {
      reactor_.stop();
      work_.reset();
      io_.stop();
    });
    thread_.join();
  }
  // Runs `work` on the loop's thread and waits for it.
  void run(std::function<void()> work) {
    std::promise<void> done;
    reactor_.post([&] {
      work();
      done.set_value();
    });
    ASSERT_EQ(done.get_future().wait_for(kPatience), std::future_status::ready);
  }

  struct Listening {
    std::unique_ptr<Ears> ears;
    Descriptor mouth;
  };
  Listening listen() {
    int fds[2] = {-1, -1};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    Listening made{nullptr, Descriptor(fds[1])};
    run([&] { made.ears = std::make_unique<Ears>(reactor_, fds[0]); });
    return made;
  }

  std::atomic<bool> io_waits_ = false;
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{
      boost::asio::make_work_guard(io_)};
  Reactor reactor_{io_};
  std::thread thread_;
};

struct Alarm {
  explicit Alarm(TimerWheel& wheel) : timer(wheel, &Alarm::ring, this) {}
  static void ring(void* self) { static_cast<Alarm*>(self)->rang.set_value(); }
  std::promise<void> rang;
  Timer timer;
};

TEST_F(SleepingReactor, posted_work_wakes_it_every_time) {
  for (int i = 0; i < 1'000; ++i) run([] {});
}

TEST_F(SleepingReactor, a_socket_wakes_it_after_a_long_sleep) {
  Listening listening = listen();
  std::this_thread::sleep_for(3 * TimerWheel::kTick);  // several quiet ticks
  auto heard = listening.ears->heard();
  ASSERT_EQ(::send(listening.mouth.get(), "x", 1, 0), 1);
  EXPECT_EQ(heard.wait_for(kPatience), std::future_status::ready);
  run([&] { listening.ears.reset(); });
}

TEST_F(SleepingReactor, what_is_put_off_runs_before_it_sleeps_again) {
  Listening listening = listen();
  listening.ears->again_on_wake = true;
  auto heard = listening.ears->heard();
  ASSERT_EQ(::send(listening.mouth.get(), "x", 1, 0), 1);
  EXPECT_EQ(heard.wait_for(kPatience), std::future_status::ready);
  std::promise<void> deferred;
  run([&] { reactor_.defer([&] { deferred.set_value(); }); });
  EXPECT_EQ(deferred.get_future().wait_for(kPatience), std::future_status::ready);
  run([&] { listening.ears.reset(); });
}

// How often a thread of this process has gone to sleep.
long times_slept(pid_t thread) {
  std::ifstream status("/proc/self/task/" + std::to_string(thread) + "/status");
  const std::string text{std::istreambuf_iterator<char>(status), {}};
  constexpr std::string_view kField = "\nvoluntary_ctxt_switches:";
  return std::stol(text.substr(text.find(kField) + kField.size()));
}

TEST_F(SleepingReactor, what_posted_work_puts_off_does_not_wait_for_the_end_of_a_sleep) {
  std::this_thread::sleep_for(2 * TimerWheel::kTick);  // it sleeps
  long before = 0;
  std::promise<long> after;
  reactor_.post([&] {
    before = times_slept(::gettid());
    reactor_.defer([&] { after.set_value(times_slept(::gettid())); });
  });
  auto slept = after.get_future();
  ASSERT_EQ(slept.wait_for(kPatience), std::future_status::ready);
  EXPECT_EQ(slept.get(), before);
}

TEST_F(SleepingReactor, a_timer_ends_a_long_sleep_and_not_too_early) {
  std::unique_ptr<Alarm> alarm;
  std::this_thread::sleep_for(5 * TimerWheel::kTick);  // it sleeps without a timer
  const auto begun = std::chrono::steady_clock::now();
  run([&] {
    alarm = std::make_unique<Alarm>(reactor_.timers());
    alarm->timer.arm(milliseconds(400));
  });
  EXPECT_EQ(alarm->rang.get_future().wait_for(kPatience), std::future_status::ready);
  EXPECT_GE(std::chrono::steady_clock::now() - begun, milliseconds(400));
  run([&] { alarm.reset(); });
}

TEST_F(SleepingReactor, a_timer_of_the_io_context_fires_while_it_is_said_to_wait) {
  std::promise<void> fired;
  std::unique_ptr<boost::asio::steady_timer> timer;
  run([&] {
    io_waits_ = true;
    timer = std::make_unique<boost::asio::steady_timer>(io_, milliseconds(50));
    timer->async_wait([&](const boost::system::error_code&) { fired.set_value(); });
  });
  EXPECT_EQ(fired.get_future().wait_for(kPatience), std::future_status::ready);
  run([&] {
    timer.reset();
    io_waits_ = false;
  });
  run([] {});
}

// Answers every byte with one, so that the set always has something.
class Echo final : public Pollable {
 public:
  Echo(Reactor& reactor, int fd) : Pollable(reactor, Descriptor(fd), EPOLLIN) {}
  ~Echo() override = default;

 private:
  void on_events(std::uint32_t) override {
    char byte = 0;
    if (::recv(fd(), &byte, 1, MSG_DONTWAIT) == 1) (void)::send(fd(), &byte, 1, MSG_NOSIGNAL);
  }
};

TEST_F(SleepingReactor, sockets_that_never_rest_leave_the_io_context_its_turn) {
  int fds[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
  std::promise<void> fired;
  std::unique_ptr<Echo> one, other;
  std::unique_ptr<boost::asio::steady_timer> timer;
  run([&] {
    one = std::make_unique<Echo>(reactor_, fds[0]);
    other = std::make_unique<Echo>(reactor_, fds[1]);
    io_waits_ = true;
    timer = std::make_unique<boost::asio::steady_timer>(io_, milliseconds(50));
    timer->async_wait([&](const boost::system::error_code&) { fired.set_value(); });
    EXPECT_EQ(::send(fds[0], "x", 1, 0), 1);
  });
  EXPECT_EQ(fired.get_future().wait_for(kPatience), std::future_status::ready);
  run([&] {
    io_waits_ = false;
    timer.reset();
    one.reset();
    other.reset();
  });
}

TEST_F(SleepingReactor, an_idle_loop_sleeps_on) {
  pid_t thread = 0;
  run([&] { thread = ::gettid(); });
  std::this_thread::sleep_for(4 * TimerWheel::kTick);
  const long before = times_slept(thread);
  std::this_thread::sleep_for(10 * TimerWheel::kTick);
  EXPECT_EQ(times_slept(thread), before) << "it woke although nothing was to be done";
}

}  // namespace
}  // namespace ocsproxy
