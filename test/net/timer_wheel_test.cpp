#include "net/timer_wheel.h"

#include <memory>
#include <new>
#include <random>
#include <set>
#include <vector>

#include <gtest/gtest.h>

namespace ocsproxy {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kStart{1'000'000};

struct Fired {
  std::vector<int> order;
};

struct One {
  One(TimerWheel& wheel, Fired& into, int number_)
      : timer(wheel, &One::fire, this), fired(into), number(number_) {}
  static void fire(void* self) {
    auto& one = *static_cast<One*>(self);
    one.fired.order.push_back(one.number);
    if (one.then) one.then();
  }
  Timer timer;
  Fired& fired;
  int number;
  std::function<void()> then;
};

TEST(TimerWheel, armed_timer_fires_once_and_never_early) {
  TimerWheel wheel(kStart);
  Fired fired;
  One one(wheel, fired, 1);
  one.timer.arm(milliseconds(500));
  wheel.advance(kStart + milliseconds(499));
  EXPECT_TRUE(fired.order.empty());
  wheel.advance(kStart + milliseconds(500) + 2 * TimerWheel::kTick);
  EXPECT_EQ(fired.order, std::vector<int>{1});
  wheel.advance(kStart + milliseconds(90'000));
  EXPECT_EQ(fired.order.size(), 1u);
  EXPECT_FALSE(one.timer.armed());
}

TEST(TimerWheel, timer_moved_further_away_fires_at_the_later_time_only) {
  TimerWheel wheel(kStart);
  Fired fired;
  One one(wheel, fired, 1);
  one.timer.arm(milliseconds(500));
  one.timer.arm(milliseconds(5000));
  wheel.advance(kStart + milliseconds(4999));
  EXPECT_TRUE(fired.order.empty());
  wheel.advance(kStart + milliseconds(5200));
  EXPECT_EQ(fired.order.size(), 1u);
}

TEST(TimerWheel, timer_moved_nearer_fires_at_the_earlier_time) {
  TimerWheel wheel(kStart);
  Fired fired;
  One one(wheel, fired, 1);
  one.timer.arm(milliseconds(50'000));
  one.timer.arm(milliseconds(300));
  wheel.advance(kStart + milliseconds(500));
  EXPECT_EQ(fired.order.size(), 1u);
}

TEST(TimerWheel, deadline_beyond_the_wheels_reach_fires_at_its_time) {
  TimerWheel wheel(kStart);
  Fired fired;
  One one(wheel, fired, 1);
  one.timer.arm(milliseconds(1'800'000));
  for (int s = 1; s < 1800; ++s) wheel.advance(kStart + milliseconds(1000 * s));
  EXPECT_TRUE(fired.order.empty());
  wheel.advance(kStart + milliseconds(1'800'200));
  EXPECT_EQ(fired.order.size(), 1u);
}

TEST(TimerWheel, pause_longer_than_a_turn_fires_all_that_came_due_and_nothing_else) {
  TimerWheel wheel(kStart);
  Fired fired;
  One due(wheel, fired, 1);
  One later(wheel, fired, 2);
  due.timer.arm(milliseconds(40'000));
  later.timer.arm(milliseconds(400'000));
  wheel.advance(kStart + milliseconds(300'000));
  EXPECT_EQ(fired.order, std::vector<int>{1});
}

TEST(TimerWheel, cleared_timer_does_not_fire) {
  TimerWheel wheel(kStart);
  Fired fired;
  One one(wheel, fired, 1);
  one.timer.arm(milliseconds(100));
  one.timer.clear();
  wheel.advance(kStart + milliseconds(10'000));
  EXPECT_TRUE(fired.order.empty());
  EXPECT_EQ(wheel.linked(), 0u);
}

TEST(TimerWheel, callback_may_destroy_another_timer_of_the_same_slot) {
  TimerWheel wheel(kStart);
  Fired fired;
  auto first = std::make_unique<One>(wheel, fired, 1);
  auto second = std::make_unique<One>(wheel, fired, 2);
  first->timer.arm(milliseconds(100));
  second->timer.arm(milliseconds(100));
  // Whichever comes first takes the other along.
  first->then = [&] { second.reset(); };
  second->then = [&] { first.reset(); };
  wheel.advance(kStart + milliseconds(1000));
  EXPECT_EQ(fired.order.size(), 1u);
}

TEST(TimerWheel, callback_may_arm_itself_again) {
  TimerWheel wheel(kStart);
  Fired fired;
  One one(wheel, fired, 1);
  one.then = [&] {
    if (fired.order.size() < 3) one.timer.arm(milliseconds(100));
  };
  one.timer.arm(milliseconds(100));
  for (int i = 1; i <= 40; ++i) wheel.advance(kStart + milliseconds(50 * i));
  EXPECT_EQ(fired.order.size(), 3u);
}

// Against the obvious: a list of due times.
TEST(TimerWheel, random_arming_agrees_with_a_list_of_due_times) {
  std::mt19937 random(7);
  TimerWheel wheel(kStart);
  Fired fired;
  std::vector<std::unique_ptr<One>> timers;
  std::vector<milliseconds> due(200, milliseconds::max());
  for (int i = 0; i < 200; ++i) timers.push_back(std::make_unique<One>(wheel, fired, i));
  milliseconds now = kStart;
  for (int step = 0; step < 5000; ++step) {
    const auto which = random() % timers.size();
    if (random() % 4 == 0) {
      timers[which]->timer.clear();
      due[which] = milliseconds::max();
    } else {
      const milliseconds after(random() % 120'000);
      timers[which]->timer.arm(after);
      due[which] = now + after;
    }
    now += milliseconds(random() % 300);
    fired.order.clear();
    wheel.advance(now);
    const std::set<int> unique(fired.order.begin(), fired.order.end());
    ASSERT_EQ(unique.size(), fired.order.size());
    for (std::size_t i = 0; i < timers.size(); ++i) {
      const bool has_fired = unique.contains(static_cast<int>(i));
      if (has_fired) {
        ASSERT_LE(due[i], now) << "timer " << i << " fired early";
        due[i] = milliseconds::max();
      } else if (due[i] != milliseconds::max()) {
        ASSERT_GT(due[i] + 2 * TimerWheel::kTick, now) << "timer " << i << " is late";
      }
    }
  }
}

TEST(TimerWheel, whoever_sleeps_until_next_misses_no_timer) {
  std::mt19937 random(7);
  TimerWheel wheel(kStart);
  milliseconds now = kStart;
  Fired fired;
  struct Due {
    std::unique_ptr<One> one;
    milliseconds at;
  };
  std::vector<Due> all;
  for (int i = 0; i < 200; ++i) {
    const milliseconds after(random() % 200'000);
    all.push_back({std::make_unique<One>(wheel, fired, i), now + after});
    all.back().one->timer.arm(after);
  }
  int sleeps = 0;
  for (; wheel.linked() != 0 && sleeps < 100'000; ++sleeps) {
    // Something else may wake it before; then the clock is looked at, and timers may be armed.
    const milliseconds rest = wheel.next(now);
    now += random() % 4 == 0 ? rest / 2 : rest;
    wheel.set_now(now);
    if (random() % 8 == 0) {
      Due& moved = all[random() % all.size()];
      if (moved.one->timer.armed()) {
        moved.one->timer.arm(milliseconds(1'000));
        moved.at = now + milliseconds(1'000);
      }
    }
    wheel.advance(now);
    for (const Due& due : all) {
      if (due.one->timer.armed()) {
        ASSERT_LE(now, due.at + 2 * TimerWheel::kTick);
      }
    }
  }
  EXPECT_EQ(fired.order.size(), all.size());
  EXPECT_EQ(wheel.next(now), milliseconds(60'000));
}

TEST(TimerWheel, callback_without_memory_does_not_take_the_others_of_its_slot_along) {
  TimerWheel wheel(kStart);
  Fired fired;
  std::vector<std::unique_ptr<One>> all;
  for (int i = 0; i < 3; ++i) {
    all.push_back(std::make_unique<One>(wheel, fired, i));
    all.back()->timer.arm(milliseconds(100));
    all.back()->then = [] { throw std::bad_alloc(); };
  }
  // Each call ends with the first that throws.
  for (int i = 1; i <= 3; ++i) {
    EXPECT_THROW(wheel.advance(kStart + milliseconds(1'000 * i)), std::bad_alloc);
    EXPECT_EQ(fired.order.size(), static_cast<std::size_t>(i));
  }
  wheel.advance(kStart + milliseconds(10'000));
  EXPECT_EQ(fired.order.size(), 3u);
}
}  // namespace
}  // namespace ocsproxy
