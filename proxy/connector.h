// How a request gets its upstream connection: an idle one, or a new one to the first of the
// target's addresses that accepts, proves to be the site, and does so in time.
#pragma once

#include <coroutine>
#include <cstdint>
#include <string>

#include "base/error.h"
#include "net/task.h"
#include "proxy/services.h"
#include "proxy/target.h"

namespace ocsproxy {

// What an exchange waits for on its upstream side, so that it can be told to stop waiting. Whoever
// waits sets it and clears it again; `cancel` may come at any time, once or more often.
class UpstreamWait {
 public:
  class Cancellable {
   public:
    virtual void cancel_wait() = 0;

   protected:
    ~Cancellable() = default;
  };

  void waiting_on(Socket& socket) { socket_ = &socket; }
  void waiting_on(Cancellable& other) { other_ = &other; }
  void done() {
    socket_ = nullptr;
    other_ = nullptr;
  }
  void cancel(const Error& why);
  bool cancelled() const { return cancelled_; }
  const Error& error() const { return error_; }

 private:
  Socket* socket_ = nullptr;
  Cancellable* other_ = nullptr;
  bool cancelled_ = false;
  Error error_;
};

// Fails with side upstream and phase resolve, connect or upstream_handshake; nothing of a request
// has been sent then. `rule` names the rule in the log and gives the deadlines: `queue` for one of
// the target's connections, `connect` for each address, TCP and TLS together.
Task<Result<Lease>> acquire_connection(Services& services, LocalRef<Target> target,
                                       const settings::Rule& rule, Reuse reuse, UpstreamWait& wait);

}  // namespace ocsproxy
