// The proxy's own worker code between a client and a site of which a script sets each byte: real
// connections, exchanges and streams on a reactor, over sockets that never leave the process, on
// one thread and without a wait. connect() is answered here, with one end of a pair.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/descriptor.h"
#include "base/local_ref.h"
#include "proxy/connection.h"
#include "proxy/snapshot.h"

namespace ocsproxy::fuzz {

// One end of a pair, of which the proxy has the other.
struct Peer {
  Descriptor fd;
  std::string sent;      // by us
  std::string received;  // from the proxy, all of it
  bool half_closed = false;
  bool ended = false;  // the proxy has closed its end, or both

  explicit Peer(Descriptor end) : fd(std::move(end)) {}
  void send(std::string_view bytes);
  void half_close();
  void close() { fd.reset(); }
  bool receive();  // true: something came, or the end
};

// A client that was, and what the log says of its requests.
struct Visit {
  Peer client;
  bool left = false;             // it went before the proxy did
  std::vector<std::string> log;  // a line each
  explicit Visit(Descriptor end) : client(std::move(end)) {}
};

class Edge {
 public:
  static constexpr std::string_view kVia = "fuzzed-edge";
  static constexpr std::string_view kSite = "pool.example.internal";

  Edge();
  ~Edge();
  Edge(const Edge&) = delete;  // connect() finds it by address
  Edge& operator=(const Edge&) = delete;

  // The client; one who comes where there is none, or none any more, is a new one.
  void client_sends(std::string_view bytes);
  void client_half_closes();
  void client_leaves();
  // The newest connection to the site; what is sent where there is none waits for the next.
  void site_sends(std::string_view bytes);
  void site_half_closes();
  void site_leaves();
  // The same configuration once more, as after a reload.
  void reload();
  void close_when_idle();
  // Everybody goes; what the proxy still has, it was told to end.
  void finish();

  const std::vector<std::unique_ptr<Visit>>& visits() const { return visits_; }
  const std::vector<std::unique_ptr<Peer>>& site() const { return site_; }
  std::uint64_t requests() const;
  // What the proxy still holds on to; all 0 at the end.
  std::size_t open_connections() const { return endpoint_.open_connections + load_.value(); }
  std::size_t upstream_connections() const;

 private:
  struct Loop;  // what a worker has for all its life

  friend int answer_connect(int fd);
  static Loop& loop();
  Visit* visit();
  void settle();
  void take_log();
  Peer* newest_site();

  EndpointState endpoint_;
  Counter load_;
  std::vector<LocalRef<Target>> targets_;
  std::unique_ptr<ClientConnection> connection_;
  bool connection_ended_ = false;
  std::vector<std::unique_ptr<Visit>> visits_;
  std::vector<std::unique_ptr<Peer>> site_;
  std::string waiting_;  // for the next connection to the site
  std::uint64_t requests_before_;
};

}  // namespace ocsproxy::fuzz
