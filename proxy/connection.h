// One client connection: handshake, then requests one after the other until either side ends it.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>

#include "net/buffer.h"
#include "net/task.h"
#include "proxy/client_side.h"
#include "proxy/exchange.h"
#include "proxy/head_parser.h"
#include "proxy/idle_clients.h"
#include "proxy/services.h"

namespace ocsproxy {

// What a listening address is at the moment; kept by the worker, changed at a reload.
struct EndpointState {
  static constexpr std::uint32_t kNoListener = 0xffffffff;
  SocketAddress address;
  bool secure = false;
  // The listener of the current snapshot that has this endpoint; kNoListener once it was removed,
  // and then its connections end as soon as they are idle.
  std::uint32_t listener = kNoListener;
  std::uint32_t open_connections = 0;  // on this worker
};

// Owned by the worker, which destroys it after `on_end` has been called. Worker's thread only.
class ClientConnection {
 public:
  using OnEnd = void (*)(void* owner, ClientConnection& ended);

  // `endpoint` and `services` outlive the connection. `load` is the listener's open connections on
  // this worker, in which it counts itself.
  ClientConnection(Services& services, EndpointState& endpoint, Counter& load, FloodAccount flood,
                   Descriptor fd, SocketAddress peer, OnEnd on_end, void* owner);
  ~ClientConnection();
  ClientConnection(const ClientConnection&) = delete;  // its task points at it
  ClientConnection& operator=(const ClientConnection&) = delete;

  // Takes what it needs to be started. Throws std::bad_alloc, as the constructor does.
  void prepare() { task_ = run(); }
  // Runs to its first wait. on_end may be called before this returns. Precondition: prepared.
  void start() { task_.start(); }
  // Drain or reload: an idle connection ends now, a busy one when its exchange asks.
  void close_when_idle();
  // There is too little for all. As above, and it is not waited for what the client still sends.
  void shed();
  // The process stops: everything that waits ends.
  void abort();

  const EndpointState& endpoint() const { return endpoint_; }

  // The worker's list of live connections, linked by it.
  ClientConnection* next = nullptr;
  ClientConnection** link = nullptr;

 private:
  enum class State : std::uint8_t { handshake, idle, head, exchange, lingering };

  Task<> run();
  Task<> live();
  void starve();
  Task<bool> handshake();
  void count_failed_handshake();
  Task<bool> serve_requests();
  using After = Exchange::After;
  enum class HeadEnd : std::uint8_t {
    read,     // a complete head, or a refusal to tell the client
    nothing,  // no byte of a request has come after all
    gone,     // the client has
  };
  Task<After> serve_one();
  Task<HeadEnd> read_head(RequestHead& head, HeadOutcome& outcome);
  void keep_pipelined();
  Task<bool> wait_for_request();
  Task<> linger();
  bool enter_snapshot(const LocalRef<WorkerSnapshot>& snapshot);
  void watch_pins(bool watch);
  static void on_deadline(void* self);
  static void on_pin_hangup(void* self);

  Services& services_;
  EndpointState& endpoint_;
  Counter& load_;
  Stream stream_;
  ClientSide client_;
  State state_ = State::handshake;
  bool ending_ = false;
  bool shed_ = false;
  IdleClient idle_{*this};
  Deadline deadline_name_ = Deadline::none;
  std::chrono::milliseconds idle_left_{0};  // of the idle deadline, behind what is armed
  Timer deadline_;
  Buffer buffer_;
  Window window_;
  // Of which snapshot `client_.position` and `client_.listener` speak.
  std::uint64_t generation_ = 0;
  Exchange* exchange_ = nullptr;  // while one runs
  OnEnd on_end_;
  void* owner_;
  Task<> task_;
};

}  // namespace ocsproxy
