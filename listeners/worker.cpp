#include "listeners/worker.h"

#include <sys/socket.h>

#include <algorithm>
#include <cassert>
#include <csignal>
#include <new>
#include <set>
#include <utility>

#include "base/free_list.h"
#include "tls/upstream_context.h"

namespace ocsproxy {

// A listening address on this worker. Stays, closed, until its last connection has ended.
struct Worker::Endpoint {
  Worker& worker;
  EndpointState state;
  std::shared_ptr<ListenerLoad> load;
  std::unique_ptr<Acceptor> acceptor;
  std::chrono::milliseconds last_complaint{-60'000};
};

Worker::Worker(std::size_t index, std::size_t workers, std::string_view via,
               const TlsAcceleration& acceleration, FloodTable& flood, ProcessLoad& load,
               const Log& log, AccessLogRing* access_log)
    : index_(index),
      workers_(static_cast<std::uint32_t>(workers)),
      log_(log),
      work_(boost::asio::make_work_guard(io_)),
      tls_(library_, acceleration),
      reactor_(io_),
      resolver_(io_),
      load_(load),
      services_{.reactor = reactor_,
                .tls = tls_,
                .resolver = resolver_,
                .sessions = sessions_,
                .log = log,
                .access_log = access_log,
                .counters = counters_,
                .via = via,
                .snapshot = snapshot_,
                .draining = draining_,
                .last_id = last_id_,
                .flood = &flood_,
                .idle = &idle_},
      flood_(flood, services_),
      bury_later_(reactor_.timers(), &Worker::on_bury, this) {
  std::array<unsigned char, sizeof last_id_> random{};
  library_.random(random);
  std::memcpy(&last_id_, random.data(), random.size());
  reactor_.sleep_here([this] { return resolver_.asking(); });
  thread_ = std::thread([this] { run(); });
}

Worker::~Worker() {
  stop();
  join();
  assert(connections_ == nullptr);
}

void Worker::join() {
  if (thread_.joinable()) thread_.join();
}

void Worker::run() {
  // Signals are the main thread's.
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  const std::string name = "worker-" + std::to_string(index_);
  (void)::pthread_setname_np(::pthread_self(), name.c_str());
  while (true) {
    try {
      io_.run();
      break;
    } catch (const std::bad_alloc&) {
      counters_.allocation_failures.add();  // in something that was posted
    }
  }
  // On this thread, since its free lists and OpenSSL's per-thread state belong to it.
  bury();
  prepared_ = {};
  snapshot_ = {};
  endpoints_.clear();
  for (auto& [key, target] : targets_) target->retire();
  targets_.clear();
}

// ---- loads

std::future<Status> Worker::prepare(std::shared_ptr<const Snapshot> snapshot,
                                    std::shared_ptr<const TicketKeys> keys,
                                    std::shared_ptr<RuleCounts> rule_counts) {
  auto answer = std::make_shared<std::promise<Status>>();
  reactor_.post([this, answer, snapshot = std::move(snapshot), keys = std::move(keys),
                 rule_counts = std::move(rule_counts)]() mutable {
    Result<LocalRef<WorkerSnapshot>> built = build(std::move(snapshot), keys);
    if (!built) {
      prepared_ = {};
      retire_targets();
      answer->set_value(std::move(built).error());
      return;
    }
    prepared_ = *std::move(built);
    prepared_->requests_by_rule = rule_counts->of(index_);
    prepared_->rule_counts = std::move(rule_counts);
    answer->set_value(Done{});
  });
  return answer->get_future();
}

Result<LocalRef<WorkerSnapshot>> Worker::build(std::shared_ptr<const Snapshot> snapshot,
                                               const std::shared_ptr<const TicketKeys>& keys) {
  auto built = make_local<WorkerSnapshot>();
  built->global = std::move(snapshot);
  const settings::Settings& settings = built->settings();
  for (std::size_t i = 0; i < settings.listeners.size(); ++i) {
    const settings::Listener& listener = settings.listeners[i];
    if (!listener.https) {
      built->listeners.emplace_back();
      continue;
    }
    auto context =
        ServerContext::make(library_,
                            ServerPolicy{.listener = *listener.name,
                                         .minimum_version = *listener.https->minimum_version,
                                         .certificates = built->global->certificates[i]},
                            keys);
    if (!context) return std::move(context).error();
    built->listeners.push_back(make_local<ListenerTls>(*std::move(context)));
  }
  PolicyIdentities identities;
  for (const settings::Rule& rule : settings.rules) {
    if (!rule.enabled || *rule.action != settings::Action::allow) {
      built->targets.emplace_back();
      continue;
    }
    auto target = target_for(rule, *built->global, identities);
    if (!target) return std::move(target).error();
    built->targets.push_back(*std::move(target));
  }
  return built;
}

Result<LocalRef<Target>> Worker::target_for(const settings::Rule& rule, const Snapshot& snapshot,
                                            PolicyIdentities& identities) {
  const settings::Target& to = *rule.to;
  TargetKey key{.site = *to.site,
                .addresses = {},
                .port = *to.port,
                .bridging = *rule.bridging,
                .tls_policy = {},
                .limit = (*to.limits.connections + workers_ - 1) / workers_,
                .queue = (*to.limits.queue + workers_ - 1) / workers_};
  for (const auto& address : to.addresses) key.addresses.push_back(*address);
  const UpstreamPolicy policy{
      .roots = snapshot.roots, .minimum_version = *to.minimum_version, .legacy = *to.legacy};
  const bool secure = key.bridging == settings::Bridging::https;
  if (secure) {
    // The identity is a hash over all roots; a policy of thousands of rules has two or three.
    std::string& identity = identities[{policy.minimum_version, policy.legacy}];
    if (identity.empty()) identity = policy.identity();
    key.tls_policy = identity;
  }
  if (const auto known = targets_.find(key); known != targets_.end()) return known->second;
  std::unique_ptr<UpstreamContext> context;
  if (secure) {
    auto made = UpstreamContext::make(library_, policy);
    if (!made) return std::move(made).error();
    context = *std::move(made);
  }
  auto target = make_local<Target>(reactor_, counters_, key, std::move(context));
  targets_.emplace(std::move(key), target);
  return target;
}

// What no snapshot names any more loses its idle connections and its sessions, so that nothing
// made under a policy outlives it.
void Worker::retire_targets() {
  std::set<const Target*> used;
  std::vector<std::string> policies;
  for (const LocalRef<WorkerSnapshot>& snapshot : {snapshot_, prepared_}) {
    if (!snapshot) continue;
    for (const auto& target : snapshot->targets) {
      if (!target || !used.insert(target.get()).second) continue;
      policies.push_back(target->key().tls_policy);
    }
  }
  for (auto it = targets_.begin(); it != targets_.end();) {
    if (used.contains(it->second.get())) {
      ++it;
      continue;
    }
    it->second->retire();
    it = targets_.erase(it);
  }
  sessions_.retain(policies);
}

std::future<void> Worker::commit(std::vector<WorkerEndpoint> endpoints) {
  auto answer = std::make_shared<std::promise<void>>();
  reactor_.post([this, answer, endpoints = std::move(endpoints)]() mutable {
    if (snapshot_) prepared_->rule_counts->continue_from(*snapshot_->rule_counts, index_);
    snapshot_ = std::exchange(prepared_, {});
    for (Endpoint& endpoint : endpoints_) endpoint.state.listener = EndpointState::kNoListener;
    for (WorkerEndpoint& wanted : endpoints) open_endpoint(std::move(wanted));
    for (Endpoint& endpoint : endpoints_) {
      if (endpoint.state.listener == EndpointState::kNoListener) endpoint.acceptor.reset();
    }
    for (ClientConnection* c = connections_; c != nullptr; c = c->next) {
      if (c->endpoint().listener == EndpointState::kNoListener) c->close_when_idle();
    }
    forget_closed_endpoints();
    retire_targets();
    answer->set_value();
  });
  return answer->get_future();
}

void Worker::open_endpoint(WorkerEndpoint wanted) {
  for (Endpoint& endpoint : endpoints_) {
    if (endpoint.state.address != wanted.address || !endpoint.acceptor) continue;
    endpoint.state.listener = wanted.listener;
    endpoint.state.secure = wanted.secure;
    endpoint.load = std::move(wanted.load);
    return;
  }
  endpoints_.push_back(Endpoint{*this,
                                EndpointState{wanted.address, wanted.secure, wanted.listener, 0},
                                std::move(wanted.load), nullptr});
  Endpoint& added = endpoints_.back();
  added.acceptor = std::make_unique<Acceptor>(reactor_, std::move(wanted.socket), log_, reserve_,
                                              &Worker::on_accept, &Worker::on_exhausted, &added);
}

void Worker::forget_closed_endpoints() {
  endpoints_.remove_if([](const Endpoint& endpoint) {
    return !endpoint.acceptor && endpoint.state.open_connections == 0;
  });
}

void Worker::set_ticket_keys(std::shared_ptr<const TicketKeys> keys) {
  reactor_.post([this, keys = std::move(keys)] {
    if (!snapshot_) return;
    for (const auto& listener : snapshot_->listeners) {
      if (listener) listener->context->set_ticket_keys(keys);
    }
  });
}

// ---- connections

void Worker::on_accept(void* owner, Descriptor fd, const SocketAddress& peer) {
  auto& endpoint = *static_cast<Endpoint*>(owner);
  Worker& worker = endpoint.worker;
  worker.note_load();
  // Two for each that comes: room is made faster than it is taken.
  if (worker.services_.level >= LoadLevel::shedding) worker.shed_idle(2);
  std::optional<FloodAccount> account = worker.flood_.admit(peer.ip, endpoint.state.secure);
  if (!account) {
    reset_on_close(fd.get());
    return;
  }
  if (worker.services_.level == LoadLevel::refusing) {
    worker.turn_away(endpoint, fd);
    return;
  }
  if (!worker.may_enter(endpoint)) return;
  try {
    worker.serve(endpoint, *std::move(account), std::move(fd), peer);
  } catch (const std::bad_alloc&) {
    worker.counters_.allocation_failures.add();
  }
}

// The listener's own limit.
bool Worker::may_enter(Endpoint& endpoint) {
  const settings::Listener& listener = snapshot_->settings().listeners[endpoint.state.listener];
  if (endpoint.load->total() < *listener.limits.connections) return true;
  counters_.refused_connections[RefusedConnection::listener_limit].add();
  if (reactor_.now() - endpoint.last_complaint >= std::chrono::seconds(10)) {
    endpoint.last_complaint = reactor_.now();
    log_.warning("listener \"" + *listener.name +
                 "\": " + std::to_string(*listener.limits.connections) +
                 " connections are open, more are refused (limits.connections)");
  }
  return false;
}

// A client that speaks in clear is told why; TLS would cost what there is too little of.
void Worker::turn_away(const Endpoint& endpoint, const Descriptor& fd) {
  static constexpr std::string_view kBusy =
      "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: "
      "close\r\n\r\n";
  counters_.overload[OverloadAction::dropped].add();
  if (endpoint.state.secure) {
    reset_on_close(fd.get());
  } else {
    (void)!::send(fd.get(), kBusy.data(), kBusy.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }
}

void Worker::serve(Endpoint& endpoint, FloodAccount account, Descriptor fd,
                   const SocketAddress& peer) {
  auto connection = std::make_unique<ClientConnection>(
      services_, endpoint.state, endpoint.load->of(index_), std::move(account), std::move(fd), peer,
      &Worker::on_connection_end, this);
  connection->prepare();
  connection->next = connections_;
  connection->link = &connections_;
  if (connections_ != nullptr) connections_->link = &connection->next;
  connections_ = connection.release();
  connections_->start();
}

void Worker::on_connection_end(void* owner, ClientConnection& ended) {
  auto& worker = *static_cast<Worker*>(owner);
  *ended.link = ended.next;
  if (ended.next != nullptr) ended.next->link = ended.link;
  // Its coroutine is still on the stack.
  ended.next = std::exchange(worker.ended_, &ended);
  if (ended.next != nullptr) return;
  try {
    worker.reactor_.defer([&worker] { worker.bury(); });
  } catch (const std::bad_alloc&) {
    worker.bury_later_.arm(std::chrono::milliseconds(0));
  }
}

void Worker::bury() {
  // Destroying a connection may end upstream connections, but never another client connection.
  while (ended_ != nullptr) {
    const std::unique_ptr<ClientConnection> gone(ended_);
    ended_ = gone->next;
  }
  note_load();
  forget_closed_endpoints();
  finish_drain_if_done();
}

// ---- when there is too little

void Worker::look_at_load() {
  reactor_.post([this] {
    note_load();
    if (services_.level >= LoadLevel::shedding) free_list::trim();
    // The worker that sheds is not the one to which new clients come: each gives its part.
    if (services_.level >= LoadLevel::shedding)
      shed_idle(std::max<std::size_t>(2, counters_.open_connections.value() / 16));
  });
}

void Worker::give_memory_back() {
  reactor_.post(
      [this] { given_back_.fetch_add(free_list::trim_unused(), std::memory_order_relaxed); });
}

void Worker::note_load() {
  services_.level = load_.level();
  services_.starving = services_.level == LoadLevel::refusing && load_.starving();
  load_.saw(services_.level);
}

// Where no client is idle, connections to sites are that nobody uses now.
void Worker::shed_idle(std::size_t count) {
  for (; count > 0; --count) {
    ClientConnection* const longest = idle_.longest();
    if (longest == nullptr) {
      for (auto& [key, target] : targets_) target->close_idle();
      return;
    }
    counters_.overload[OverloadAction::shed].add();
    longest->shed();
  }
}

void Worker::on_exhausted(void* owner) { static_cast<Endpoint*>(owner)->worker.shed_idle(8); }

// ---- the end

std::future<void> Worker::drain() {
  auto answer = std::make_unique<std::promise<void>>();
  std::future<void> drained = answer->get_future();
  reactor_.post([this, answer = std::move(answer)]() mutable {
    draining_ = true;
    drained_ = std::move(answer);
    for (Endpoint& endpoint : endpoints_) {
      if (endpoint.acceptor) endpoint.acceptor->stop_listening();
      endpoint.acceptor.reset();
    }
    for (ClientConnection* c = connections_; c != nullptr; c = c->next) c->close_when_idle();
    finish_drain_if_done();
  });
  return drained;
}

void Worker::finish_drain_if_done() {
  if (!drained_ || connections_ != nullptr || ended_ != nullptr) return;
  drained_->set_value();
  drained_.reset();
}

void Worker::stop() {
  reactor_.post([this] {
    if (std::exchange(stopping_, true)) return;
    draining_ = true;
    for (Endpoint& endpoint : endpoints_) endpoint.acceptor.reset();
    for (ClientConnection* c = connections_; c != nullptr; c = c->next) c->abort();
    stop_when_empty();
  });
}

// Aborted connections end from the loop; it goes on until the last has.
void Worker::stop_when_empty() {
  if (connections_ != nullptr || ended_ != nullptr) {
    reactor_.post([this] { stop_when_empty(); });
    return;
  }
  for (auto& [key, target] : targets_) target->retire();
  reactor_.stop();
  io_.stop();  // name queries that are under way are nobody's any more
}

}  // namespace ocsproxy
