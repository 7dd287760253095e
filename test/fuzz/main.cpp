// What libFuzzer calls; OCSPROXY_FUZZ_TARGET is the one target of this binary.
#include <cstddef>
#include <cstdint>
#include <string>

#include "test/fuzz/targets.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // A copy of exactly that size: a read behind it is seen.
  const std::string input(data, data + size);
  ocsproxy::fuzz::OCSPROXY_FUZZ_TARGET(input);
  return 0;
}
