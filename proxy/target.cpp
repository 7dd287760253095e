#include "proxy/target.h"

#include <algorithm>

#include "proxy/services.h"

namespace ocsproxy {
namespace {

using std::chrono::milliseconds;

// Below the 75 s and more after which common servers close idle connections themselves.
constexpr milliseconds kIdleAtMost{60'000};
// What may not be sent twice goes only where the last answer is this fresh.
constexpr milliseconds kRecent{15'000};
constexpr milliseconds kComplainEvery{5'000};

}  // namespace

// ---- slots

ConnectionSlot& ConnectionSlot::operator=(ConnectionSlot&& other) noexcept {
  if (this != &other) {
    const ConnectionSlot old = std::move(*this);
    target_ = std::move(other.target_);
  }
  return *this;
}

ConnectionSlot::~ConnectionSlot() {
  if (target_) target_->slot_free();
}

Turn::Turn(Target& target, milliseconds until, bool again)
    : target_(target),
      until_(until),
      again_(again),
      timer_(target.reactor().timers(), &Turn::on_expire, this) {}

Turn::~Turn() {
  std::erase(target_.waiting_, this);
  std::erase(target_.woken_, this);
}

void Turn::await_suspend(std::coroutine_handle<> awaiting) {
  awaiting_ = awaiting;
  if (again_) {
    target_.waiting_.push_front(this);
  } else {
    target_.waiting_.push_back(this);
  }
  timer_.arm(std::max(until_ - target_.reactor().now(), milliseconds(0)));
}

void Turn::cancel() {
  timer_.clear();
  if (std::erase(target_.waiting_, this) == 0) return;
  target_.woken_.push_back(this);
  target_.reactor().defer([target = LocalRef<Target>(&target_)] { target->resume_woken(); });
}

// ---- connections

UpstreamConnection::UpstreamConnection(ConnectionSlot slot, std::unique_ptr<Stream> stream,
                                       SocketAddress peer)
    : slot_(std::move(slot)),
      stream_(std::move(stream)),
      peer_(peer),
      idle_timer_(slot_.target().reactor().timers(), &UpstreamConnection::on_idle_too_long, this) {
  held().add();
}

UpstreamConnection::~UpstreamConnection() { held().subtract(); }

// How many are held as this one is.
Counter& UpstreamConnection::held() {
  return target().counters().open_upstream_connections[holding_];
}

void UpstreamConnection::hold_as(Holding holding) {
  held().subtract();
  holding_ = holding;
  held().add();
}

bool UpstreamConnection::silent() {
  if (!stream_->maybe_readable()) return true;
  // A session ticket may be waiting to be digested; anything else is not meant for us any more.
  char byte = 0;
  return stream_->try_read({&byte, 1}).status == IoStatus::would_block;
}

void UpstreamConnection::on_ready() {
  if (!silent()) target().drop_idle(this);
}

void UpstreamConnection::on_idle_too_long(void* self) {
  auto* const connection = static_cast<UpstreamConnection*>(self);
  connection->target().drop_idle(connection);
}

PinnedConnection Lease::pin(std::uint64_t client_id) && {
  connection_->hold_as(Holding::pinned);
  return {std::move(connection_), client_id};
}

// ---- targets

Target::Target(Reactor& reactor, Counters& counters, TargetKey key,
               std::unique_ptr<UpstreamContext> tls)
    : reactor_(reactor), counters_(counters), key_(std::move(key)), tls_(std::move(tls)) {}

// Every connection holds a slot, and every slot holds the target: none is left.
Target::~Target() = default;

ConnectionSlot Target::take_slot() {
  if (used_ >= key_.limit) {
    // An idle connection that did not suit this request makes room for one that does.
    if (idle_.empty()) return {};
    counters_.evictions[Eviction::idle_upstream_connection].add();
    drop_idle(idle_.front().get());
  }
  ++used_;
  counters_.open_upstreams.add();
  return ConnectionSlot(LocalRef<Target>(this));
}

void Target::slot_free() {
  --used_;
  counters_.open_upstreams.subtract();
  wake_next();
}

void Target::wake_next() {
  if (waiting_.empty()) return;
  Turn* const next = waiting_.front();
  waiting_.pop_front();
  next->timer_.clear();
  next->came_ = true;
  woken_.push_back(next);
  reactor_.defer([target = LocalRef<Target>(this)] { target->resume_woken(); });
}

void Target::resume_woken() {
  while (!woken_.empty()) {
    Turn* const next = woken_.front();
    woken_.pop_front();
    next->awaiting_.resume();
  }
}

Lease Target::take_idle(Reuse reuse) {
  if (reuse == Reuse::never) return {};
  while (!idle_.empty()) {
    UpstreamConnection& newest = *idle_.back();
    if (reuse == Reuse::recent && reactor_.now() - newest.idle_since_ >= kRecent) return {};
    std::unique_ptr<UpstreamConnection> connection = std::move(idle_.back());
    idle_.pop_back();
    connection->idle_timer_.clear();
    connection->hold_as(Holding::leased);
    connection->stream_->socket().wait_readable(nullptr);
    if (connection->silent()) return Lease(std::move(connection));
  }
  return {};
}

void Target::put(Lease lease) {
  if (retired_ || !lease) return;
  std::unique_ptr<UpstreamConnection> connection = std::move(lease.connection_);
  if (!connection->silent()) return;
  connection->idle_since_ = reactor_.now();
  connection->idle_timer_.arm(kIdleAtMost);
  connection->hold_as(Holding::idle);
  connection->stream_->socket().wait_readable(connection.get());
  idle_.push_back(std::move(connection));
  wake_next();
}

void Target::drop_idle(const UpstreamConnection* connection) {
  const auto found = std::find_if(idle_.begin(), idle_.end(),
                                  [&](const auto& idle) { return idle.get() == connection; });
  if (found == idle_.end()) return;
  const std::unique_ptr<UpstreamConnection> gone = std::move(*found);
  idle_.erase(found);
  // close_notify, so that the session may be resumed.
  gone->stream_->finish_writing();
}

bool Target::may_complain() {
  if (reactor_.now() - last_complaint_ < kComplainEvery) return false;
  last_complaint_ = reactor_.now();
  return true;
}

void Target::close_idle() {
  while (!idle_.empty()) drop_idle(idle_.back().get());
}

void Target::retire() {
  retired_ = true;
  close_idle();
}

}  // namespace ocsproxy
