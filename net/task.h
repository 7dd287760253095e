// The coroutine of the data path: straight-line code over sockets that are tried first and awaited
// only when they would block. Lazy, single-threaded, one awaiter.
//
// A task that is awaited runs at once on the caller's stack; when it finishes without having
// waited, the caller goes on without being suspended, so a loop over such tasks does not grow the
// stack (g++ guarantees no tail call for symmetric transfer below -O2 and under sanitizers).
//
// A co_await stands alone in its statement or behind `co_return`: inside &&, || and ?: g++ 12 makes
// code of it that traps under the sanitizers.
//
// Frames come from the free lists. Arguments of a task are taken by value or refer to what lives
// longer than the task, which the awaiting frame guarantees for its own locals.
//
// The data path throws nothing, with one exception: where memory is out, std::bad_alloc goes from
// each task to the one that awaits it, up to the connection, which ends (ClientConnection::run).
// Any other exception that escapes ends the process.
#pragma once

#include <coroutine>
#include <cstddef>
#include <exception>
#include <new>
#include <optional>
#include <utility>

#include "base/free_list.h"

namespace ocsproxy {

template <typename T>
class Task;

namespace detail {

struct TaskPromiseBase {
  std::coroutine_handle<> continuation;

  static void* operator new(std::size_t size) {
    void* const frame = free_list::allocate(size);
    if (frame == nullptr) throw std::bad_alloc();
    return frame;
  }
  static void operator delete(void* frame) { free_list::release(frame); }

  struct Final {
    bool await_ready() const noexcept { return false; }
    template <typename Promise>
    void await_suspend(std::coroutine_handle<Promise> self) const noexcept {
      // The continuation may destroy this frame: nothing of it is touched afterwards.
      if (const auto next = self.promise().continuation) next.resume();
    }
    void await_resume() const noexcept {}
  };
  std::suspend_always initial_suspend() const noexcept { return {}; }
  Final final_suspend() const noexcept { return {}; }
  // noexcept: what is not caught here terminates.
  void unhandled_exception() noexcept {
    try {
      throw;
    } catch (const std::bad_alloc&) {
      starved = true;
    }
  }
  void rethrow() const {
    if (starved) throw std::bad_alloc();
  }

  bool starved = false;
};

template <typename T>
struct TaskPromise : TaskPromiseBase {
  std::optional<T> value;
  Task<T> get_return_object();
  template <typename U>
  void return_value(U&& result) {
    value.emplace(std::forward<U>(result));
  }
  T take() {
    rethrow();
    return std::move(*value);
  }
};

template <>
struct TaskPromise<void> : TaskPromiseBase {
  Task<void> get_return_object();
  void return_void() const {}
  void take() const { rethrow(); }
};

}  // namespace detail

template <typename T = void>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::TaskPromise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  Task() = default;
  explicit Task(Handle handle) : handle_(handle) {}
  Task(Task&& other) noexcept
      : handle_(std::exchange(other.handle_, {})), started_(other.started_) {}
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      if (handle_) handle_.destroy();
      handle_ = std::exchange(other.handle_, {});
      started_ = other.started_;
    }
    return *this;
  }
  ~Task() {
    if (handle_) handle_.destroy();
  }

  // Runs the task to its first wait, beside the caller, who must await it before it is destroyed.
  void start() {
    started_ = true;
    handle_.resume();
  }
  bool done() const { return !handle_ || handle_.done(); }
  explicit operator bool() const { return static_cast<bool>(handle_); }
  // Calls back when the task ends; for the outermost task, which nobody awaits. Precondition: not
  // done.
  void on_end(std::coroutine_handle<> continuation) {
    handle_.promise().continuation = continuation;
  }

  auto operator co_await() & { return Awaiter{handle_, started_}; }
  auto operator co_await() && { return Awaiter{handle_, started_}; }

 private:
  struct Awaiter {
    Handle task;
    bool started;
    bool await_ready() const { return started && task.done(); }
    bool await_suspend(std::coroutine_handle<> awaiting) {
      if (!started) {
        task.resume();
        if (task.done()) return false;
      }
      task.promise().continuation = awaiting;
      return true;
    }
    T await_resume() { return task.promise().take(); }
  };

  Handle handle_;
  bool started_ = false;
};

namespace detail {
template <typename T>
Task<T> TaskPromise<T>::get_return_object() {
  return Task<T>(Task<T>::Handle::from_promise(*this));
}
inline Task<void> TaskPromise<void>::get_return_object() {
  return Task<void>(Task<void>::Handle::from_promise(*this));
}
}  // namespace detail

}  // namespace ocsproxy
