// The stand-in for an OCS 2007 R2 pool: the web site that a Front End Server publishes, with real
// NTLM on the directories that have it, and a corner of its own below /lab that shows a test what
// arrived, streams, upgrades, and misbehaves on request (see routes.cpp and misbehaviour.h). Made
// to be simple, not fast, and never to be exposed: it listens on loopback addresses only.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/ip_address.h"
#include "lab/misbehaviour.h"
#include "tls/make_certificate.h"

namespace ocsproxy::lab {

// Where the pool listens.
struct Endpoint {
  IpAddress address;       // a loopback address
  std::uint16_t port = 0;  // 0: chosen by the kernel
  // Chain and key; empty: plain HTTP. Each endpoint has its own, so that one of them can present
  // the name of another site.
  std::optional<MadeCertificate> certificate;
};

struct PoolOptions {
  std::vector<Endpoint> endpoints;             // at least one
  std::string site = "ocspool.contoso.local";  // its name where a request brings no Host
  std::chrono::seconds idle{120};              // as IIS: a connection without a byte is closed
  std::optional<Misbehaviour> misbehaviour;    // of every request; empty: only where asked for
};

// What the pool has seen since it started; also at /lab/counters. Any thread may read.
struct Counters {
  std::atomic<std::uint64_t> connections_accepted{0};
  std::atomic<std::uint64_t> connections_open{0};
  std::atomic<std::uint64_t> connections_authenticated{0};
  // Connections that authenticated as a second user. Always zero behind a proxy that keeps its
  // clients apart.
  std::atomic<std::uint64_t> connections_with_two_users{0};
  std::atomic<std::uint64_t> requests{0};
  std::atomic<std::uint64_t> requests_authenticated{0};
  std::atomic<std::uint64_t> logins{0};
  std::atomic<std::uint64_t> logins_refused{0};
};

// Runs in a thread of its own from start() until it is destroyed, which ends every connection at
// once. Owned by one thread; counters() may be read by all.
class Pool {
 public:
  // Fails with a sentence for the administrator: an address that is taken or not loopback, a
  // certificate that cannot be used.
  static Result<Pool> start(PoolOptions options);

  Pool(Pool&& other) noexcept;
  Pool& operator=(Pool&& other) noexcept;
  ~Pool();

  // In the order of the options' endpoints.
  const std::vector<std::uint16_t>& ports() const;
  const Counters& counters() const;

 private:
  struct State;
  explicit Pool(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

}  // namespace ocsproxy::lab
