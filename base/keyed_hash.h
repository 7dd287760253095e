// A hash that nobody can aim who does not know its key: SipHash-2-4 of one 64-bit word. For tables
// whose keys a stranger chooses.
#pragma once

#include <cstdint>

namespace ocsproxy {

struct HashKey {
  std::uint64_t first = 0;
  std::uint64_t second = 0;
};

std::uint64_t keyed_hash(const HashKey& key, std::uint64_t word);

}  // namespace ocsproxy
