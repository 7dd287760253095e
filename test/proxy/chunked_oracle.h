// A second reader of the chunked coding for tests: slow, whole messages only, written to be
// obvious.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace ocsproxy::test {

struct ChunkedMessage {
  enum class Verdict { complete, invalid, incomplete };
  Verdict verdict = Verdict::incomplete;
  std::size_t size = 0;  // complete: bytes that the message takes
  std::string data;
  std::vector<std::string> trailers;  // lines of the fields that may be passed on
  bool has_extensions = false;
  bool has_dropped_trailers = false;
};

// With the same limits as ChunkedDecoder.
ChunkedMessage read_chunked(std::string_view text);

}  // namespace ocsproxy::test
