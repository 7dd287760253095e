// What a worker lends to the connections and exchanges it runs. Everything here belongs to the
// worker, outlives them, and is used on its thread alone.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/local_ref.h"
#include "base/log.h"
#include "net/reactor.h"
#include "net/resolver.h"
#include "proxy/access_log_writer.h"
#include "proxy/counters.h"
#include "proxy/snapshot.h"
#include "rules/http_filter.h"
#include "tls/session_cache.h"
#include "tls/tls_resources.h"

namespace ocsproxy {

// How short of connections, descriptors or memory the process is (proxy/process_load.h).
enum class LoadLevel : std::uint8_t {
  normal,
  closing,   // connections end after their response
  shedding,  // idle ones at once
  refusing,  // new ones are not taken
};

class FloodGuard;
class IdleClients;

struct Services {
  Reactor& reactor;
  TlsResources& tls;
  Resolver& resolver;
  SessionCache& sessions;
  const Log& log;
  AccessLogRing* access_log;  // null: no access log
  Counters& counters;
  std::string_view via;  // our pseudonym in Via, the same for the whole installation
  // The snapshot that new requests are judged by.
  LocalRef<WorkerSnapshot>& snapshot;
  // Set when the process drains: connections close after what they do now.
  const bool& draining;

  // Ids for connections and requests, unique in the process: a random start per worker, then
  // counted.
  std::uint64_t& last_id;
  std::uint64_t next_id() { return ++last_id; }

  // Null where no client is served.
  FloodGuard* flood = nullptr;
  IdleClients* idle = nullptr;

  LoadLevel level = LoadLevel::normal;  // as the worker saw it last
  bool starving = false;                // of memory
  // May a client connection go on after what it does now?
  bool keeps_alive() const { return !draining && level < LoadLevel::closing; }
};

}  // namespace ocsproxy
