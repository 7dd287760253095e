// What the kernel counted on a TCP connection: bytes that really went over the wire, whatever lies
// in buffers on this side.
#pragma once

#include <cstdint>

namespace ocsproxy {

struct TcpCounts {
  std::uint64_t received = 0;      // from the peer
  std::uint64_t acknowledged = 0;  // by the peer
};

// Zeros where the kernel does not say.
TcpCounts tcp_counts(int fd);

}  // namespace ocsproxy
