// Takes the connections of one listening socket, on one worker.
#pragma once

#include "base/descriptor.h"
#include "base/log.h"
#include "net/reactor.h"
#include "net/socket_address.h"
#include "net/timer_wheel.h"

namespace ocsproxy {

// A descriptor that is kept so that there is one to take when none is left. A worker has one.
class ReserveDescriptor {
 public:
  ReserveDescriptor() { keep(); }
  explicit operator bool() const { return static_cast<bool>(descriptor_); }
  // Tries to have one again.
  void keep();
  // It may be taken now.
  void give_up() { descriptor_.reset(); }

 private:
  Descriptor descriptor_;
};

// Worker's thread only.
class Acceptor final : public Pollable {
 public:
  // `on_accept(owner, fd, peer)` gets each connection: non-blocking, close-on-exec, TCP_NODELAY.
  using OnAccept = void (*)(void* owner, Descriptor fd, const SocketAddress& peer);
  // `on_exhausted(owner)`: no descriptor is left; what can be given back should be.
  using OnExhausted = void (*)(void* owner);

  // `fd` listens and does not block.
  Acceptor(Reactor& reactor, Descriptor fd, const Log& log, ReserveDescriptor& reserve,
           OnAccept on_accept, OnExhausted on_exhausted, void* owner);
  ~Acceptor() override = default;

  // From now on clients are refused, also where another process holds the same socket: closing
  // would leave them waiting in a queue that nobody empties.
  void stop_listening();

 private:
  void on_events(std::uint32_t events) override;
  void pause(int error);
  void turn_queue_away();
  static void on_retry(void* self);

  const Log& log_;
  ReserveDescriptor& reserve_;
  OnAccept on_accept_;
  OnExhausted on_exhausted_;
  void* owner_;
  Timer retry_;
  std::chrono::milliseconds last_complaint_{};
  std::chrono::milliseconds stuck_since_{-1};  // no connection could be taken since; -1: one can
};

}  // namespace ocsproxy
