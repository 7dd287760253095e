// Between IpAddress and the system's socket addresses.
#pragma once

#include <sys/socket.h>

#include <cstdint>

#include "base/ip_address.h"

namespace ocsproxy {

struct SocketAddress {
  IpAddress ip;
  std::uint16_t port = 0;

  // An IPv4-mapped IPv6 address is unmapped before anything judges it.
  static SocketAddress from(const sockaddr_storage& storage);
  socklen_t to(sockaddr_storage& storage) const;
  std::string to_string() const;  // "192.0.2.1:443", "[2001:db8::1]:443"

  friend auto operator<=>(const SocketAddress&, const SocketAddress&) = default;
};

SocketAddress local_address(int fd);

}  // namespace ocsproxy
