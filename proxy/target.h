// The upstream side of a worker: targets, the connections to them, and who may use which.
//
// A connection is held in one of two ways, and the types keep them apart. A `Lease` is exclusive
// use of a connection that authenticated nobody; it may go back to the pool of its target. A
// `PinnedConnection` belongs to one client connection for life, because its TCP connection is
// authenticated as that client (or about to be); a lease can become one, one can never become a
// lease, and the pool takes leases only.
//
// Everything here belongs to one worker and its thread.
#pragma once

#include <chrono>
#include <compare>
#include <coroutine>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/local_ref.h"
#include "net/failover.h"
#include "net/socket_address.h"
#include "net/timer_wheel.h"
#include "proxy/counters.h"
#include "settings/settings.h"
#include "tls/stream.h"
#include "tls/upstream_context.h"

namespace ocsproxy {

class Counter;
class Target;

// What makes the connections of two rules interchangeable.
struct TargetKey {
  std::string site;
  std::vector<std::string> addresses;  // IP addresses or names; empty: resolve `site`
  std::uint16_t port = 0;
  settings::Bridging bridging = settings::Bridging::https;
  std::string tls_policy;   // UpstreamContext::identity(); "" with bridging http
  std::uint32_t limit = 0;  // connections that this worker may have: leased, pinned and idle
  std::uint32_t queue = 0;  // requests that may wait on this worker for one of them

  friend auto operator<=>(const TargetKey&, const TargetKey&) = default;
};

// One of the connections that a target may have at a time; given back when destroyed.
class ConnectionSlot {
 public:
  ConnectionSlot() = default;
  explicit ConnectionSlot(LocalRef<Target> target) : target_(std::move(target)) {}
  ConnectionSlot(ConnectionSlot&&) noexcept = default;
  ConnectionSlot& operator=(ConnectionSlot&& other) noexcept;
  ~ConnectionSlot();

  explicit operator bool() const { return static_cast<bool>(target_); }
  Target& target() const { return *target_; }

 private:
  LocalRef<Target> target_;
};

// A connection to a target. Watches itself while it idles in the pool.
class UpstreamConnection final : private Waiter {
 public:
  UpstreamConnection(ConnectionSlot slot, std::unique_ptr<Stream> stream, SocketAddress peer);
  ~UpstreamConnection();
  UpstreamConnection(const UpstreamConnection&) = delete;  // its socket and timer point at it
  UpstreamConnection& operator=(const UpstreamConnection&) = delete;

  Stream& stream() { return *stream_; }
  Target& target() { return slot_.target(); }
  const SocketAddress& peer() const { return peer_; }
  // Has it served a request before the one that holds it now?
  bool reused() const { return requests_ > 1; }
  void count_request() { ++requests_; }
  // Between two requests: has it nothing to say? Bytes that nobody asked for would be taken for the
  // next response, and an end is one.
  bool silent();

 private:
  friend class Target;
  friend class Lease;
  friend class PinnedConnection;
  // While it idles, every edge is looked at: bytes that nobody asked for, or an end, close it.
  void on_ready() override;
  static void on_idle_too_long(void* self);
  Counter& held();
  void hold_as(Holding holding);

  ConnectionSlot slot_;
  std::unique_ptr<Stream> stream_;
  SocketAddress peer_;
  Timer idle_timer_;
  std::chrono::milliseconds idle_since_{};
  std::uint32_t requests_ = 0;
  Holding holding_ = Holding::leased;
};

class PinnedConnection;

// Exclusive use of a connection. Closes it unless it is given back to its target or pinned.
class Lease {
 public:
  Lease() = default;
  explicit Lease(std::unique_ptr<UpstreamConnection> connection)
      : connection_(std::move(connection)) {}

  explicit operator bool() const { return connection_ != nullptr; }
  UpstreamConnection& connection() { return *connection_; }
  void close() { connection_.reset(); }
  // From now on the connection serves the client connection with this number alone.
  PinnedConnection pin(std::uint64_t client_id) &&;

 private:
  friend class Target;
  std::unique_ptr<UpstreamConnection> connection_;
};

// A connection that authenticates as one client, or is about to. There is no way back from here.
class PinnedConnection {
 public:
  PinnedConnection(PinnedConnection&&) noexcept = default;
  PinnedConnection& operator=(PinnedConnection&&) noexcept = default;

  // The connection, for the client it belongs to; nullptr for every other, which is never to happen
  // and is counted by the caller.
  UpstreamConnection* use(std::uint64_t client_id) {
    return client_id == client_id_ ? connection_.get() : nullptr;
  }
  const Target& target() const { return connection_->target(); }

 private:
  friend class Lease;
  PinnedConnection(std::unique_ptr<UpstreamConnection> connection, std::uint64_t client_id)
      : connection_(std::move(connection)), client_id_(client_id) {}
  std::unique_ptr<UpstreamConnection> connection_;
  std::uint64_t client_id_;
};

// How picky a request is about the connection it goes out on (RFC 9112 9.3.1, 9.5).
enum class Reuse : std::uint8_t {
  any,     // may be sent again: any idle connection will do
  recent,  // may not: only one that idled briefly and shows nothing to read
  never,   // the first leg of a connection-bound authentication
};

// co_await Turn(target, until) -> bool: true when a connection may have become free (ask again),
// false when `until` (reactor time) has come or the wait was cancelled. `again`: its turn has come
// once and somebody else was faster, so it is the first in the queue.
class Turn {
 public:
  Turn(Target& target, std::chrono::milliseconds until, bool again);
  ~Turn();
  Turn(const Turn&) = delete;  // queued by address
  Turn& operator=(const Turn&) = delete;

  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> awaiting);
  bool await_resume() const { return came_; }
  void cancel();

 private:
  friend class Target;
  static void on_expire(void* self) { static_cast<Turn*>(self)->cancel(); }
  Target& target_;
  std::chrono::milliseconds until_;
  bool again_;
  Timer timer_;
  bool came_ = false;
  std::coroutine_handle<> awaiting_;
};

// A published site as one worker reaches it: its idle connections, its TLS policy, which of its
// addresses failed lately, and how many connections it may have.
class Target final : public LocalRefCounted {
 public:
  // `tls` is null with bridging http. `counters` are the worker's.
  Target(Reactor& reactor, Counters& counters, TargetKey key, std::unique_ptr<UpstreamContext> tls);
  ~Target() override;

  const TargetKey& key() const { return key_; }
  Reactor& reactor() const { return reactor_; }
  Counters& counters() const { return counters_; }
  UpstreamContext* tls() { return tls_.get(); }
  Failover& failover() { return failover_; }

  // The idle connection used last; empty when there is none fit for `reuse`.
  Lease take_idle(Reuse reuse);
  // For the next request, unless it is not silent or the target is retired.
  void put(Lease lease);
  // Descriptors are short: none is kept that nobody uses.
  void close_idle();
  // No rule names this target any more: idle connections close, none comes back.
  void retire();

  // Leave for one more connection, at the price of an idle one when the limit is reached; empty
  // when all are in use.
  ConnectionSlot take_slot();

  // False when the log was told about this target a moment ago.
  bool may_complain();

  std::uint32_t connections() const { return used_; }
  std::size_t idle() const { return idle_.size(); }
  bool queue_is_full() const { return waiting_.size() >= key_.queue; }

 private:
  friend class ConnectionSlot;
  friend class Turn;
  friend class UpstreamConnection;
  void slot_free();
  void wake_next();
  void drop_idle(const UpstreamConnection* connection);
  void resume_woken();

  Reactor& reactor_;
  Counters& counters_;
  const TargetKey key_;
  const std::unique_ptr<UpstreamContext> tls_;
  Failover failover_;
  std::uint32_t used_ = 0;
  bool retired_ = false;
  std::chrono::milliseconds last_complaint_{-3'600'000};
  std::vector<std::unique_ptr<UpstreamConnection>> idle_;  // the last is the one used last
  std::deque<Turn*> waiting_;
  std::deque<Turn*> woken_;  // to be resumed from the loop
};

}  // namespace ocsproxy
