// The client connection as an exchange sees it.
#pragma once

#include <cstdint>
#include <vector>

#include "net/socket_address.h"
#include "proxy/flood_guard.h"
#include "proxy/snapshot.h"
#include "proxy/target.h"
#include "rules/rule_table.h"
#include "tls/stream.h"

namespace ocsproxy {

// Owned by the connection; lent to one exchange at a time.
struct ClientSide {
  Stream& stream;
  std::uint64_t id;
  SocketAddress peer;
  SocketAddress local;
  bool secure;  // it came in over TLS
  // The listener of the current snapshot that the connection came in on.
  std::uint32_t listener = 0;
  rules::ClientPosition position;
  // The TLS side of the listener that did the handshake; null when not secure.
  LocalRef<ListenerTls> tls;
  ServerContext::Choice certificate{};  // that it was shown
  // Upstream connections that authenticate as this client: at most one a target.
  std::vector<PinnedConnection> pins;
  FloodAccount flood;
};

}  // namespace ocsproxy
