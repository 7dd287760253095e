// How many connections a listener has.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/counter.h"

namespace ocsproxy {

// Over all workers: one counter a worker, each written by its worker alone and summed by whoever
// accepts.
class ListenerLoad {
 public:
  explicit ListenerLoad(std::size_t workers) : open_(workers) {}
  Counter& of(std::size_t worker) { return open_[worker].counter; }
  std::uint64_t total() const {
    std::uint64_t sum = 0;
    for (const Padded& one : open_) sum += one.counter.value();
    return sum;
  }

 private:
  struct alignas(64) Padded {
    Counter counter;
  };
  std::vector<Padded> open_;
};

}  // namespace ocsproxy
