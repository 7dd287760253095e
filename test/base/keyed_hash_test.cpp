#include "base/keyed_hash.h"

#include <set>

#include <gtest/gtest.h>

namespace ocsproxy {
namespace {

TEST(KeyedHash, IsSipHashOfEightBytes) {
  // The key 00 to 0f and the message 00 to 07, of the algorithm's published vectors.
  const HashKey key{0x0706050403020100, 0x0f0e0d0c0b0a0908};
  EXPECT_EQ(keyed_hash(key, 0x0706050403020100), 0x93f5f5799a932462U);
}

TEST(KeyedHash, OfAnotherKeyOrWordIsAnother) {
  std::set<std::uint64_t> seen;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    seen.insert(keyed_hash({1, 2}, i));
    seen.insert(keyed_hash({i + 2, 2}, 7));
  }
  EXPECT_EQ(seen.size(), 2000U);
}

}  // namespace
}  // namespace ocsproxy
