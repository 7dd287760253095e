// Which process is in the way of a bind.
#pragma once

#include <sys/types.h>

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "net/socket_address.h"

namespace ocsproxy {

// A TCP socket of this network namespace, whoever's it is.
struct HeldSocket {
  SocketAddress local;
  bool listening = false;
  uid_t user = 0;
  ino_t inode = 0;
};

// The sockets that an IPv6-only or IPv4 bind to `wanted` collides with: same port, and the same
// address or a wildcard on either side. Those that listen come first. Empty when /proc cannot be
// read.
std::vector<HeldSocket> colliding_sockets(const SocketAddress& wanted);

// Rows of /proc/net/tcp or /proc/net/tcp6 (the form of the address tells); rows that do not read as
// such are skipped.
std::vector<HeldSocket> parse_socket_table(const std::string& table);

struct Process {
  pid_t pid = 0;
  std::string name;
};
// The process with the lowest id that has this socket open; empty when none can be seen.
std::optional<Process> process_with_socket(ino_t inode);

// "203.0.113.5:443 is held by pid 812 (nginx), bound to 0.0.0.0".
std::string describe_holder(const SocketAddress& wanted, const HeldSocket& held);

}  // namespace ocsproxy
