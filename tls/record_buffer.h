// Where a worker's TLS records are gathered before they leave by one send.
#pragma once

#include <array>
#include <cstddef>

namespace ocsproxy {

// One per worker, shared by its streams: empty whenever no stream is inside a call to OpenSSL, so
// that it belongs to nobody in between. Holds the records of one full Buffer (64 KiB are four
// records of 16 KiB, each with at most 5 + 1 + 16 bytes of framing, padded block ciphers a little
// more) and the head in front of it.
struct RecordBuffer {
  static constexpr std::size_t kSize = std::size_t{80} * 1024;
  std::array<char, kSize> bytes;
  std::size_t used = 0;
};

}  // namespace ocsproxy
