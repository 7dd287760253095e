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
  Counter pinned;                // upstream connections that were bound to one client
  Counter retries;
  // Times that a pinned connection was asked for by another client than its own. The types make it
  // impossible; if it is ever not zero, the request was refused and the log says so.
  Counter identity_violations;
  // Objections of HTTP filters, by rules::FilterCheck.
  std::array<Counter, rules::kFilterChecks> filter_refused;
  std::array<Counter, rules::kFilterChecks> filter_reported;
};

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
};

}  // namespace ocsproxy
