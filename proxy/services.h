// What a worker lends to the connections and exchanges it runs. Everything here belongs to the
// worker, outlives them, and is used on its thread alone.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/local_ref.h"
#include "base/log.h"
#include "net/reactor.h"
#include "net/resolver.h"
#include "proxy/access_log_writer.h"
#include "proxy/snapshot.h"
#include "rules/http_filter.h"
#include "tls/session_cache.h"
#include "tls/tls_resources.h"

namespace ocsproxy {

// What a worker counted. Written by the worker alone (load and store, no read-modify-write), read
// by anyone.
class Counter {
 public:
  void add(std::uint64_t n = 1) { value_.store(value() + n, std::memory_order_relaxed); }
  void subtract(std::uint64_t n = 1) { value_.store(value() - n, std::memory_order_relaxed); }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

struct Counters {
  Counter connections;          // accepted
  Counter open_connections;     // now
  Counter refused_connections;  // over a listener's limit
  Counter requests;
  Counter upstream_connections;  // opened
  Counter open_upstreams;        // now, those that are being opened too
  Counter pinned;                // upstream connections that were bound to one client
  Counter retries;
  // Flood mitigation.
  Counter flood_connections;  // dropped: the address opened too many in this minute
  Counter flood_concurrent;   // dropped: it has too many open
  Counter flood_half_open;    // dropped: it has too many TLS handshakes under way
  Counter flood_requests;     // 429: it sent too many in this minute
  Counter flood_denied;       // 429: too many of them were denied
  Counter flood_events;       // times that an address ran into a limit, once a minute and limit
  Counter flood_evictions;    // addresses that were forgotten in favour of others
  Counter flood_uncounted;    // connections let in uncounted, because the table had no place
  Counter slow_clients;       // cut: they sent or took less than limits.minimum_rate
  // Requests that could not have one of to.limits.connections.
  Counter queue_full;     // 503: as many waited as to.limits.queue lets
  Counter queue_expired;  // 503: their turn did not come within timeouts.queue
  // What was done when memory, descriptors or connections ran short.
  Counter overload_closed;      // connections closed after a response instead of kept alive
  Counter overload_shed;        // idle connections closed
  Counter overload_dropped;     // new connections not taken
  Counter overload_refused;     // requests answered with 503
  Counter allocation_failures;  // connections ended, or not taken, for want of memory
  // Times that a pinned connection was asked for by another client than its own. The types make it
  // impossible; if it is ever not zero, the request was refused and the log says so.
  Counter identity_violations;
  // Objections of HTTP filters, by rules::FilterCheck.
  std::array<Counter, rules::kFilterChecks> filter_refused;
  std::array<Counter, rules::kFilterChecks> filter_reported;
};

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
