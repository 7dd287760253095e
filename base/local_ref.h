// Shared ownership inside one worker: a reference count without atomics, for what belongs to one
// thread and must outlive whoever uses it last (a snapshot under an exchange, a TLS context under a
// connection).
#pragma once

#include <cstdint>
#include <utility>

namespace ocsproxy {

class LocalRefCounted {
 public:
  LocalRefCounted(const LocalRefCounted&) = delete;  // counted where it lies
  LocalRefCounted& operator=(const LocalRefCounted&) = delete;

 protected:
  LocalRefCounted() = default;
  virtual ~LocalRefCounted() = default;

 private:
  template <typename T>
  friend class LocalRef;
  std::uint32_t references_ = 0;
};

// Points at a LocalRefCounted made with make_local. One thread only.
template <typename T>
class LocalRef {
 public:
  LocalRef() = default;
  explicit LocalRef(T* object) : object_(object) { acquire(); }
  LocalRef(const LocalRef& other) : object_(other.object_) { acquire(); }
  LocalRef(LocalRef&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  LocalRef& operator=(LocalRef other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~LocalRef() {
    if (object_ != nullptr && --count() == 0) delete object_;
  }

  T* get() const { return object_; }
  T* operator->() const { return object_; }
  T& operator*() const { return *object_; }
  explicit operator bool() const { return object_ != nullptr; }
  friend bool operator==(const LocalRef&, const LocalRef&) = default;

 private:
  std::uint32_t& count() const { return static_cast<LocalRefCounted*>(object_)->references_; }
  void acquire() {
    if (object_ != nullptr) ++count();
  }
  T* object_ = nullptr;
};

template <typename T, typename... Arguments>
LocalRef<T> make_local(Arguments&&... arguments) {
  return LocalRef<T>(new T(std::forward<Arguments>(arguments)...));
}

}  // namespace ocsproxy
