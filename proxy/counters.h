// What a worker counts. Each member has a row in proxy/counter_families.cpp, which says what it is
// called and means where it is read; without one that file does not compile.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "base/counter.h"
#include "base/error.h"
#include "proxy/flood_table.h"
#include "proxy/refusal_counts.h"
#include "rules/http_filter.h"
#include "rules/judge.h"

namespace ocsproxy {

// How many enumerators the enumerations of base/error.h and rules/judge.h have
// (counter_families_test looks).
inline constexpr std::size_t kErrorKinds = 15;
inline constexpr std::size_t kSides = 3;
inline constexpr std::size_t kPhases = 11;
inline constexpr std::size_t kDeadlines = 9;
inline constexpr std::size_t kAnswers = 5;

// Why a client connection was not taken.
enum class RefusedConnection : std::uint8_t {
  listener_limit,  // limits.connections
  network,         // the listener is not for clients of this network
};
inline constexpr std::size_t kRefusedConnections = 2;

enum class Handshake : std::uint8_t { full, resumed };
inline constexpr std::size_t kHandshakes = 2;

// What had to go because something has a bound.
enum class Eviction : std::uint8_t {
  upstream_session,          // of the TLS sessions that are kept
  idle_upstream_connection,  // to.limits.connections, for one that the request can use
  flood_address,             // of the addresses that flood mitigation counts
};
inline constexpr std::size_t kEvictions = 3;

// What was done when memory, descriptors or connections ran short.
enum class OverloadAction : std::uint8_t {
  closed,   // connections after a response, instead of kept alive
  shed,     // idle connections closed
  dropped,  // new connections not taken
  refused,  // requests answered with 503
};
inline constexpr std::size_t kOverloadActions = 4;

// How an upstream connection is held.
enum class Holding : std::uint8_t { leased, idle, pinned };
inline constexpr std::size_t kHoldings = 3;

// What a response was, by its first digit; `none`: the client got not even a head.
enum class ResponseClass : std::uint8_t { none, c1xx, c2xx, c3xx, c4xx, c5xx, other };
inline constexpr std::size_t kResponseClasses = 7;
constexpr ResponseClass response_class(std::uint16_t status) {
  return static_cast<ResponseClass>(std::min<std::size_t>(status / 100, kResponseClasses - 1));
}

// For each status that we answer with ourselves.
class StatusCounts {
 public:
  static constexpr std::size_t kFirst = 300;
  static constexpr std::size_t kSize = 300;
  // Precondition: `status` is from 300 to 599.
  Counter& operator[](std::uint16_t status) { return counts_[status - kFirst]; }
  const Counter& operator[](std::uint16_t status) const { return counts_[status - kFirst]; }

 private:
  std::array<Counter, kSize> counts_;
};

// Errors by whose they are, where they struck, and of which kind.
class ErrorCounts {
 public:
  Counter& operator[](const Error& error) {
    return counts_[index(error.side, error.phase, error.kind)];
  }
  const Counter& at(Side side, Phase phase, ErrorKind kind) const {
    return counts_[index(side, phase, kind)];
  }

 private:
  static constexpr std::size_t index(Side side, Phase phase, ErrorKind kind) {
    const auto at = static_cast<std::size_t>(side) * kPhases + static_cast<std::size_t>(phase);
    return at * kErrorKinds + static_cast<std::size_t>(kind);
  }
  std::array<Counter, kSides * kPhases * kErrorKinds> counts_;
};

struct Counters {
  Counter connections;       // accepted
  Counter open_connections;  // now
  CountersBy<RefusedConnection, kRefusedConnections> refused_connections;
  CountersBy<Handshake, kHandshakes> handshakes;  // with clients
  Counter idle_clients_closed;                    // by the listener's timeouts.idle
  Counter requests;
  RefusalCounts refused_requests;  // broken, or nothing that is forwarded; no rule was asked
  CountersBy<rules::Answer, kAnswers> judged_requests;
  Counter default_denials;                                // no rule matched
  StatusCounts replies;                                   // of our own
  CountersBy<ResponseClass, kResponseClasses> responses;  // of sites and our own
  ErrorCounts errors;                                     // that ended handshakes and exchanges
  CountersBy<Deadline, kDeadlines> deadlines;             // fired
  Counter upstream_connections;                           // opened
  CountersBy<ErrorKind, kErrorKinds> failed_upstream_connections;  // each address that was tried
  CountersBy<Holding, kHoldings> open_upstream_connections;        // now
  Counter open_upstreams;      // now, those that are being opened too
  Counter waits_for_upstream;  // requests that found all connections to their site in use
  Counter queue_full;          // 503: as many waited as to.limits.queue lets
  Counter pinned;              // upstream connections that were bound to one client
  Counter retries;
  CountersBy<Eviction, kEvictions> evictions;
  CountersBy<FloodLimit, kFloodLimits> flood_refused;  // connections dropped, requests told 429
  Counter flood_events;     // times that an address ran into a limit, once a minute and limit
  Counter flood_uncounted;  // connections let in uncounted, because the table had no place
  CountersBy<OverloadAction, kOverloadActions> overload;
  Counter allocation_failures;  // connections ended, or not taken, for want of memory
  // Objections of HTTP filters.
  CountersBy<rules::FilterCheck, rules::kFilterChecks> filter_refused;
  CountersBy<rules::FilterCheck, rules::kFilterChecks> filter_reported;
  // Times that a pinned connection was asked for by another client than its own. The types make it
  // impossible; if it is ever not zero, the request was refused and the log says so.
  Counter identity_violations;
};

}  // namespace ocsproxy
