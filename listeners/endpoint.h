// The addresses and ports that a configuration listens on, and the sockets for them.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <set>
#include <vector>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/finding.h"
#include "listeners/interfaces.h"
#include "net/socket_address.h"
#include "settings/settings.h"

namespace ocsproxy {

// One address and port of a listener. The wildcard addresses 0.0.0.0 and :: are allowed; sockets
// are IPV6_V6ONLY, so :: does not mean IPv4.
struct Endpoint {
  SocketAddress address;
  bool secure = false;         // TLS
  std::uint32_t listener = 0;  // index into Settings::listeners
  bool freebind = false;
  Location where{};  // what findings about it point at
};

// The endpoints of all listeners, in their order. `interface:` is resolved here; an interface that
// does not exist or has no address, and an address and port used twice, are findings.
std::vector<Endpoint> endpoints_of(const settings::Settings& settings,
                                   const std::vector<Interface>& interfaces, Findings& findings);

// An endpoint with its listening sockets, one a worker: non-blocking, close-on-exec, SO_REUSEPORT.
struct BoundEndpoint {
  SocketAddress address;
  bool secure = false;
  std::uint32_t listener = 0;
  std::vector<Descriptor> sockets;
};

// The inodes of the sockets of these endpoints: how /proc/net/tcp names them.
std::set<ino_t> socket_inodes(const std::vector<BoundEndpoint>& endpoints);

// Could the endpoint be bound? Tried without SO_REUSEPORT, because with it a second process of the
// same user would take a share of the connections without an error. Does not listen, so no client
// notices. Sockets in `own` (inodes) are in nobody's way. The error is a sentence:
//   203.0.113.5:443 is held by pid 812 (nginx), bound to 0.0.0.0
Status probe_endpoint(const Endpoint& endpoint, const std::set<ino_t>& own);

// `count` listening sockets, after a probe. Not for endpoints that are held already: reuse their
// sockets, which keep their queues.
Result<std::vector<Descriptor>> bind_endpoint(const Endpoint& endpoint, std::size_t count,
                                              const std::set<ino_t>& own);

}  // namespace ocsproxy
