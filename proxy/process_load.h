// How much of what the process may have is in use, and what is done about it when it runs short:
//
//   from 80 % on   connections close after their response instead of being kept
//   from 90 % on   idle connections are closed, those first that were idle for longest
//   from 97 % on   new connections are not taken, and while it is memory that is short, requests
//                  are answered with 503
//
// What is counted are the connections of clients, descriptors, and the memory of the process.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "proxy/services.h"

namespace ocsproxy {

class ProcessLoad {
 public:
  enum class Resource : std::uint8_t { connections, descriptors, memory };
  static constexpr std::size_t kResources = 3;
  // By resource; 0: as much as there is.
  using Amounts = std::array<std::uint64_t, kResources>;

  // Before any worker serves. `counters` outlive it.
  void watch(const Counters& counters) { workers_.push_back(&counters); }
  // Descriptors that are open besides those of connections.
  void set_other_descriptors(std::uint64_t count) { others_ = count; }

  // Main thread, at any time.
  void set_budget(const Amounts& budget);
  void set_memory(std::uint64_t bytes) { memory_.store(bytes, std::memory_order_relaxed); }

  // Any thread.
  LoadLevel level() const;
  // Is it memory that is short, so that what is there cannot be served either?
  bool starving() const;
  Amounts in_use() const;

  // The highest level that workers have seen since this was last asked.
  LoadLevel take_peak() { return peak_.exchange(LoadLevel::normal, std::memory_order_relaxed); }
  void saw(LoadLevel level);
  // "950 of 1000 descriptors", of the resource that is scarcest, and the setting behind it.
  std::string describe() const;

 private:
  Amounts budget() const;

  std::vector<const Counters*> workers_;
  std::uint64_t others_ = 0;
  std::array<std::atomic<std::uint64_t>, kResources> budget_{};
  std::atomic<std::uint64_t> memory_{0};
  std::atomic<LoadLevel> peak_{LoadLevel::normal};
};

// What there is on this machine, or in this cgroup, for the process to use: nine tenths of the
// memory. 0 where nobody says.
std::uint64_t available_memory();
// What the process has in memory now.
std::uint64_t resident_memory();
// How many descriptors it may have, and has.
std::uint64_t descriptor_limit();
std::uint64_t open_descriptors();

}  // namespace ocsproxy
