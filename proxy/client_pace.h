// Is a client that is waited for worth the wait? A body keeps a buffer and a connection to the site
// for as long as the client takes over it, so it must send, or take, so many bytes a second on
// average. Only the time counts in which nothing but the client is waited for: neither a long poll
// nor a slow site makes a client slow.
//
// What the client did is what the kernel says that its TCP received or acknowledged: our own view
// is coarse where records, pipes and socket buffers lie between. It is asked for once a grace at
// most, and never for a body that takes less than a second.
#pragma once

#include <chrono>
#include <cstdint>

#include "net/reactor.h"
#include "net/socket.h"

namespace ocsproxy {

class ClientPace {
 public:
  enum class Way : std::uint8_t { sends, takes };
  using OnSlow = void (*)(void* owner);

  // `on_slow` is called at most once a body, by a timer.
  ClientPace(Reactor& reactor, Way way, OnSlow on_slow, void* owner)
      : reactor_(reactor),
        way_(way),
        on_slow_(on_slow),
        owner_(owner),
        timer_(reactor.timers(), &ClientPace::on_time, this) {}

  // A body begins on `client`, which outlives it. `rate`: bytes a second, on average over `grace`.
  // `excused`: the client waits to be called for (100-continue) before it sends the first byte.
  void begin(const Socket& client, std::uint32_t rate, std::chrono::milliseconds grace,
             bool excused = false);
  void called_for() { excused_ = false; }
  void end() { timer_.clear(); }

  // What is waited for is the client, or is not any more.
  void waits(bool for_client);

 private:
  static void on_time(void* self) { static_cast<ClientPace*>(self)->look(); }
  void look();
  std::chrono::milliseconds waited() const;
  void start_over(std::uint64_t moved, std::chrono::milliseconds next);

  Reactor& reactor_;
  const Way way_;
  const OnSlow on_slow_;
  void* const owner_;
  Timer timer_;
  const Socket* client_ = nullptr;
  std::uint32_t rate_ = 0;
  bool excused_ = false;
  bool waiting_ = false;
  bool looked_ = false;
  std::chrono::milliseconds grace_{0};
  std::chrono::milliseconds since_{0};   // of the wait under way
  std::chrono::milliseconds waited_{0};  // since `moved_`, without that
  std::uint64_t moved_ = 0;              // bytes on the connection, when it was last looked at
};

}  // namespace ocsproxy
