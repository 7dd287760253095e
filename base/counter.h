// What one thread counts and any other may read.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace ocsproxy {

// Written by its owner's thread alone (load and store, no read-modify-write), read by anyone.
class Counter {
 public:
  void add(std::uint64_t n = 1) { value_.store(value() + n, std::memory_order_relaxed); }
  void subtract(std::uint64_t n = 1) { value_.store(value() - n, std::memory_order_relaxed); }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

// One for each enumerator of an enumeration that counts from 0 and has `kSize` of them.
template <typename Enum, std::size_t kSize>
class CountersBy {
 public:
  using Index = Enum;
  static constexpr std::size_t size() { return kSize; }

  Counter& operator[](Enum of) { return counters_[static_cast<std::size_t>(of)]; }
  const Counter& operator[](Enum of) const { return counters_[static_cast<std::size_t>(of)]; }

 private:
  std::array<Counter, kSize> counters_;
};

}  // namespace ocsproxy
