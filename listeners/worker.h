// One worker: a thread with its own io_context, sockets, upstream connections and TLS contexts. It
// shares nothing that is written with the other workers; the rest of the process talks to it by
// posting.
#pragma once

#include <atomic>
#include <cstdint>
#include <future>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include "base/log.h"
#include "listeners/acceptor.h"
#include "listeners/listener_load.h"
#include "net/reactor.h"
#include "net/resolver.h"
#include "proxy/access_log_writer.h"
#include "proxy/connection.h"
#include "proxy/flood_guard.h"
#include "proxy/process_load.h"
#include "proxy/services.h"
#include "tls/openssl.h"
#include "tls/ticket_keys.h"

namespace ocsproxy {

// One listening address of a load, as a worker gets it.
struct WorkerEndpoint {
  SocketAddress address;
  bool secure = false;
  std::uint32_t listener = 0;  // index into the load's listeners
  // This worker's listening socket; for an address that it serves already a duplicate of the one it
  // has, which is then closed.
  Descriptor socket{};
  std::shared_ptr<ListenerLoad> load;
};

class Worker {
 public:
  // `via`, `flood`, `load`, `log` and `access_log` (may be null) outlive the worker.
  Worker(std::size_t index, std::size_t workers, std::string_view via,
         const TlsAcceleration& acceleration, FloodTable& flood, ProcessLoad& load, const Log& log,
         AccessLogRing* access_log);
  // Joins the thread. Nothing of it is left: connections, upstream connections, timers.
  ~Worker();
  Worker(const Worker&) = delete;  // its thread points at it
  Worker& operator=(const Worker&) = delete;

  // Makes this worker's contexts for a snapshot, without using them yet. Any thread; the answer
  // comes from the worker's.
  std::future<Status> prepare(std::shared_ptr<const Snapshot> snapshot,
                              std::shared_ptr<const TicketKeys> keys,
                              std::shared_ptr<RuleCounts> rule_counts);
  // From now on new requests are judged by what was prepared last. Endpoints that are not named are
  // closed; their connections end as soon as they are idle. Takes over the sockets.
  std::future<void> commit(std::vector<WorkerEndpoint> endpoints);
  void set_ticket_keys(std::shared_ptr<const TicketKeys> keys);

  // Stops listening; idle connections end, busy ones after what they do. `drained` becomes ready
  // when none is left.
  std::future<void> drain();
  // Ends everything that is left and the thread's loop.
  void stop();
  // Waits for the end of the thread. Precondition: it was told to stop.
  void join();

  // Memory has become scarce, or is not any more.
  void look_at_load();
  // Gives back what the worker keeps for connections that it does not have any more.
  void give_memory_back();
  // How many bytes it gave since this was last asked. Any thread.
  std::uint64_t take_given_back() { return given_back_.exchange(0, std::memory_order_relaxed); }

  const Counters& counters() const { return counters_; }

 private:
  struct Endpoint;

  void run();
  void open_endpoint(WorkerEndpoint wanted);
  void close_endpoint(Endpoint& endpoint);
  void forget_closed_endpoints();
  Result<LocalRef<WorkerSnapshot>> build(std::shared_ptr<const Snapshot> snapshot,
                                         const std::shared_ptr<const TicketKeys>& keys);
  using PolicyIdentities = std::map<std::pair<settings::TlsVersion, bool>, std::string>;
  Result<LocalRef<Target>> target_for(const settings::Rule& rule, const Snapshot& snapshot,
                                      PolicyIdentities& identities);
  void retire_targets();
  static void on_accept(void* endpoint, Descriptor fd, const SocketAddress& peer);
  bool may_enter(Endpoint& endpoint);
  void turn_away(const Endpoint& endpoint, const Descriptor& fd);
  void serve(Endpoint& endpoint, FloodAccount account, Descriptor fd, const SocketAddress& peer);
  static void on_exhausted(void* endpoint);
  void note_load();
  void shed_idle(std::size_t count);
  static void on_connection_end(void* worker, ClientConnection& ended);
  static void on_bury(void* worker) { static_cast<Worker*>(worker)->bury(); }
  void bury();
  void finish_drain_if_done();
  void stop_when_empty();

  const std::size_t index_;
  const std::uint32_t workers_;  // how many there are
  const Log& log_;
  Counters counters_;
  std::atomic<std::uint64_t> given_back_{0};
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  Library library_;
  TlsResources tls_;
  Reactor reactor_;
  Resolver resolver_;
  SessionCache sessions_{counters_.evictions[Eviction::upstream_session]};
  bool draining_ = false;
  bool stopping_ = false;
  std::uint64_t last_id_;
  std::map<TargetKey, LocalRef<Target>> targets_;
  LocalRef<WorkerSnapshot> prepared_;
  LocalRef<WorkerSnapshot> snapshot_;
  std::list<Endpoint> endpoints_;
  ClientConnection* connections_ = nullptr;
  ClientConnection* ended_ = nullptr;  // to be destroyed from the loop
  IdleClients idle_;
  ReserveDescriptor reserve_;
  ProcessLoad& load_;
  std::unique_ptr<std::promise<void>> drained_;
  Services services_;
  FloodGuard flood_;
  Timer bury_later_;  // when there was no memory to do it from the loop
  std::thread thread_;
};

}  // namespace ocsproxy
