#include "net/task.h"

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

}  // namespace
}  // namespace ocsproxy
