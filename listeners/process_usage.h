// What this process has of the machine.
#pragma once

#include <chrono>
#include <cstdint>

namespace ocsproxy {

struct ProcessUsage {
  std::chrono::system_clock::time_point started;
  std::uint64_t resident_bytes = 0;
  std::uint64_t open_descriptors = 0;
  std::uint64_t most_descriptors = 0;
};

// As far as /proc is there to say; what it does not say is 0.
ProcessUsage process_usage();

}  // namespace ocsproxy
