#include "net/task.h"

#include <new>
#include <string>

#include <gtest/gtest.h>

namespace ocsproxy {
namespace {

// What a socket is to the data path: something to wait for.
struct Gate {
  std::coroutine_handle<> waiting;
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> handle) { waiting = handle; }
  void await_resume() const {}
  void open() { std::exchange(waiting, {}).resume(); }
};

Task<int> at_once(int value) { co_return value; }

Task<int> sum_of_many(int count) {
  int sum = 0;
  for (int i = 0; i < count; ++i) sum += co_await at_once(1);
  co_return sum;
}

Task<int> after(Gate& gate, int value) {
  co_await gate;
  co_return value;
}

Task<> record(Gate& gate, std::string& story, const char* name) {
  story += std::string(name) + "-start ";
  co_await gate;
  story += std::string(name) + "-end ";
}

TEST(Task, loop_over_tasks_that_never_wait_does_not_grow_the_stack) {
  Task<int> task = sum_of_many(2'000'000);
  task.start();
  ASSERT_TRUE(task.done());
}

TEST(Task, awaiting_task_goes_on_when_the_awaited_one_has_ended) {
  Gate gate;
  int seen = 0;
  const auto outer = [](Gate* g, int* into) -> Task<> {
    Task<int> inner = after(*g, 42);
    *into = co_await inner;
  };
  Task<> task = outer(&gate, &seen);
  task.start();
  EXPECT_FALSE(task.done());
  gate.open();
  EXPECT_TRUE(task.done());
  EXPECT_EQ(seen, 42);
}

TEST(Task, two_tasks_run_beside_each_other_and_are_joined) {
  Gate left, right;
  std::string story;
  const auto both = [](Gate* l, Gate* r, std::string* s) -> Task<> {
    Task<> beside = record(*l, *s, "left");
    beside.start();
    co_await record(*r, *s, "right");
    *s += "joining ";
    co_await beside;
    *s += "joined";
  };
  Task<> task = both(&left, &right, &story);
  task.start();
  right.open();
  EXPECT_EQ(story, "left-start right-start right-end joining ");
  left.open();
  EXPECT_EQ(story, "left-start right-start right-end joining left-end joined");
}

TEST(Task, started_task_that_ended_before_it_is_awaited_gives_its_value) {
  const auto outer = [](int* into) -> Task<> {
    Task<int> early = at_once(7);
    early.start();
    *into = co_await early;
  };
  int seen = 0;
  Task<> task = outer(&seen);
  task.start();
  EXPECT_EQ(seen, 7);
}

// Memory that is refused, at once or behind a wait.
Task<int> starving(Gate* gate) {
  if (gate != nullptr) co_await *gate;
  throw std::bad_alloc();
}

Task<> survive(Gate* gate, std::string* story) {
  const auto between = [](Gate* g) -> Task<int> { co_return co_await starving(g) + 1; };
  try {
    const int value = co_await between(gate);
    *story += std::to_string(value);
  } catch (const std::bad_alloc&) {
    *story += "starved";
  }
}

TEST(Task, want_of_memory_goes_from_task_to_task_to_the_one_that_deals_with_it) {
  std::string story;
  Task<> task = survive(nullptr, &story);
  task.start();
  EXPECT_TRUE(task.done());
  EXPECT_EQ(story, "starved");
}

TEST(Task, want_of_memory_behind_a_wait_does_not_reach_who_ended_the_wait) {
  Gate gate;
  std::string story;
  Task<> task = survive(&gate, &story);
  task.start();
  EXPECT_FALSE(task.done());
  gate.open();
  EXPECT_TRUE(task.done());
  EXPECT_EQ(story, "starved");
}

TEST(Task, any_other_exception_ends_the_process) {
  const auto broken = []() -> Task<> {
    throw 1;
    co_return;
  };
  EXPECT_DEATH(
      {
        Task<> task = broken();
        task.start();
      },
      "");
}
}  // namespace
}  // namespace ocsproxy
