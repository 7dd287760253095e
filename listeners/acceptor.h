// Takes the connections of one listening socket, on one worker.
#pragma once

#include "base/descriptor.h"
#include "base/log.h"
#include "net/reactor.h"
#include "net/socket_address.h"
#include "net/timer_wheel.h"

namespace ocsproxy {

// Worker's thread only.
class Acceptor final : public Pollable {
 public:
  // `on_accept(owner, fd, peer)` gets each connection: non-blocking, close-on-exec, TCP_NODELAY.
  using OnAccept = void (*)(void* owner, Descriptor fd, const SocketAddress& peer);

  // `fd` listens and does not block.
  Acceptor(Reactor& reactor, Descriptor fd, const Log& log, OnAccept on_accept, void* owner);
  ~Acceptor() override = default;

  // From now on clients are refused, also where another process holds the same socket: closing
  // would leave them waiting in a queue that nobody empties.
  void stop_listening();

 private:
  void on_events(std::uint32_t events) override;
  void pause(int error);
  static void on_retry(void* self);

  const Log& log_;
  OnAccept on_accept_;
  void* owner_;
  Timer retry_;
  std::chrono::milliseconds last_complaint_{};
};

}  // namespace ocsproxy
