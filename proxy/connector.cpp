#include "proxy/connector.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/units.h"
#include "tls/upstream_context.h"
#include "tls/verify_failure.h"

namespace ocsproxy {
namespace {

using std::chrono::milliseconds;

Error upstream_error(Error error, Phase phase) {
  error.side = Side::upstream;
  error.phase = phase;
  return error;
}

// co_await Lookup(...) -> the addresses of a name, by the worker's resolver.
class Lookup final : public UpstreamWait::Cancellable {
 public:
  Lookup(Services& services, std::string name)
      : resolver_(services.resolver), reactor_(services.reactor), name_(std::move(name)) {}

  bool await_ready() const { return false; }
  bool await_suspend(std::coroutine_handle<> awaiting) {
    awaiting_ = awaiting;
    in_call_ = true;
    query_ = resolver_.resolve(
        name_, [this](const Result<std::vector<IpAddress>>& answer) { finish(answer); });
    in_call_ = false;
    return !answer_;
  }
  Result<std::vector<IpAddress>> await_resume() { return std::move(*answer_); }
  // Whoever cancels is in the middle of a step of the exchange that waits here: it must not end,
  // and take its caller along, before that step has returned.
  void cancel_wait() override {
    query_.cancel();
    if (answer_) return;
    answer_ = Error{.kind = ErrorKind::cancelled};
    reactor_.defer([this] { awaiting_.resume(); });
  }

 private:
  void finish(Result<std::vector<IpAddress>> answer) {
    answer_ = std::move(answer);
    if (!in_call_) awaiting_.resume();
  }

  Resolver& resolver_;
  Reactor& reactor_;
  std::string name_;
  Resolver::Query query_;
  bool in_call_ = false;
  std::optional<Result<std::vector<IpAddress>>> answer_;
  std::coroutine_handle<> awaiting_;
};

class TurnWait final : public UpstreamWait::Cancellable {
 public:
  explicit TurnWait(Turn& turn) : turn_(turn) {}
  void cancel_wait() override { turn_.cancel(); }

 private:
  Turn& turn_;
};

// Names who is unreachable, for the log: "ocspool.contoso.local (192.168.1.105:443)".
std::string site_at(const Target& target, const SocketAddress& address) {
  return target.key().site + " (" + address.to_string() + ")";
}

struct ConnectDeadline {
  static void expire(void* socket) {
    static_cast<Socket*>(socket)->cancel(
        Error{.kind = ErrorKind::timeout, .deadline = Deadline::connect});
  }
};

Task<Result<std::vector<IpAddress>>> addresses_of(Services& services, const Target& target,
                                                  UpstreamWait& wait) {
  std::vector<IpAddress> all;
  std::optional<Error> last;
  const std::vector<std::string> site{target.key().site};
  for (const std::string& name : target.key().addresses.empty() ? site : target.key().addresses) {
    if (const auto literal = IpAddress::parse(name)) {
      all.push_back(*literal);
      continue;
    }
    Lookup lookup(services, name);
    wait.waiting_on(lookup);
    Result<std::vector<IpAddress>> found = co_await lookup;
    wait.done();
    if (wait.cancelled()) co_return wait.error();
    if (found) {
      all.insert(all.end(), found->begin(), found->end());
    } else {
      last = std::move(found).error();
    }
  }
  if (all.empty())
    co_return upstream_error(last ? std::move(*last) : Error{.kind = ErrorKind::unresolved},
                             Phase::resolve);
  co_return all;
}

// TCP and TLS to one address, within the rule's connect deadline.
Task<Result<std::unique_ptr<Stream>>> connect_to(Services& services, Target& target,
                                                 const SocketAddress& address,
                                                 const settings::Rule& rule, UpstreamWait& wait) {
  Result<Descriptor> started = start_connect(address);
  if (!started) {
    Error error = upstream_error(std::move(started).error(), Phase::connect);
    // No descriptor, no port: that is not the site's fault.
    if (error.kind == ErrorKind::system) error.side = Side::us;
    co_return error;
  }
  auto stream = std::make_unique<Stream>(services.reactor, *std::move(started), true, services.tls);
  Timer deadline(services.reactor.timers(), &ConnectDeadline::expire, &stream->socket());
  deadline.arm(*rule.timeouts.connect);
  wait.waiting_on(stream->socket());
  UntilWritable connected(stream->socket());
  co_await connected;
  wait.done();
  if (stream->socket().cancelled())
    co_return upstream_error(stream->socket().error(), Phase::connect);
  if (Status outcome = connect_outcome(stream->socket().fd()); !outcome) {
    Error error = std::move(outcome).error();
    error.detail = "cannot connect to " + site_at(target, address) + ": " + error.detail;
    co_return upstream_error(std::move(error), Phase::connect);
  }
  if (target.tls() == nullptr) co_return stream;

  Result<SslPtr> ssl = target.tls()->new_ssl(target.key().site);
  if (!ssl) co_return upstream_error(std::move(ssl).error(), Phase::upstream_handshake);
  services.sessions.attach(ssl->get(), address.ip, address.port);
  stream->start_tls(*std::move(ssl));
  wait.waiting_on(stream->socket());
  const IoStatus shaken = co_await stream->handshake();
  wait.done();
  if (shaken != IoStatus::ok) co_return upstream_error(stream->error(), Phase::upstream_handshake);
  if (Status accepted = accept_upstream_handshake(stream->ssl()); !accepted) {
    co_return upstream_error(std::move(accepted).error(), Phase::upstream_handshake);
  }
  co_return stream;
}

// The administrator reads it in the program's log, but not once a request.
void report(Services& services, Target& target, const settings::Rule& rule, const Error& error) {
  if (!target.may_complain()) return;
  std::string text = "rule \"" + *rule.name + "\": ";
  text += error.detail.empty() || error.kind == ErrorKind::timeout
              ? target.key().site + ": " + error.describe() +
                    (error.deadline == Deadline::connect ? " (timeouts.connect)" : "")
              : error.detail;
  services.log.warning(text);
}

Task<Result<Lease>> connect(Services& services, LocalRef<Target> target, ConnectionSlot slot,
                            const settings::Rule& rule, UpstreamWait& wait) {
  Result<std::vector<IpAddress>> found = co_await addresses_of(services, *target, wait);
  if (!found) {
    if (!wait.cancelled()) report(services, *target, rule, found.error());
    co_return std::move(found).error();
  }
  const std::vector<IpAddress> order = target->failover().order(*found, services.reactor.now());
  Error last;
  for (const IpAddress& ip : order) {
    const SocketAddress address{ip, target->key().port};
    Result<std::unique_ptr<Stream>> made =
        co_await connect_to(services, *target, address, rule, wait);
    if (made) {
      target->failover().succeeded(ip);
      services.counters.upstream_connections.add();
      co_return Lease(
          std::make_unique<UpstreamConnection>(std::move(slot), *std::move(made), address));
    }
    if (wait.cancelled()) co_return wait.error();
    last = std::move(made).error();
    services.counters.failed_upstream_connections[last.kind].add();
    if (last.deadline != Deadline::none) services.counters.deadlines[last.deadline].add();
    if (last.side != Side::us) target->failover().failed(ip, services.reactor.now());
    report(services, *target, rule, last);
  }
  co_return last;
}

// All connections are in use, and the queue is full or took too long.
Error refuse(Services& services, Target& target, const settings::Rule& rule, Deadline deadline) {
  Error full{.kind = ErrorKind::overloaded,
             .side = Side::upstream,
             .phase = Phase::connect,
             .deadline = deadline,
             .detail = "all connections to " + target.key().site +
                       " are in use: to.limits.connections permits " +
                       std::to_string(*rule.to->limits.connections) + ", of which " +
                       std::to_string(target.key().limit) + " to each worker; "};
  full.detail +=
      deadline == Deadline::queue
          ? "none became free within " + format_duration(*rule.timeouts.queue) + " (timeouts.queue)"
          : "as many requests wait as may (to.limits.queue: " +
                std::to_string(*rule.to->limits.queue) + ")";
  report(services, target, rule, full);
  return full;
}

}  // namespace

void UpstreamWait::cancel(const Error& why) {
  if (!std::exchange(cancelled_, true)) error_ = why;
  if (socket_ != nullptr) socket_->cancel(why);
  if (Cancellable* const other = std::exchange(other_, nullptr); other != nullptr)
    other->cancel_wait();
}

Task<Result<Lease>> acquire_connection(Services& services, LocalRef<Target> target,
                                       const settings::Rule& rule, Reuse reuse,
                                       UpstreamWait& wait) {
  const milliseconds until = services.reactor.now() + *rule.timeouts.queue;
  for (bool again = false;; again = true) {
    if (Lease idle = target->take_idle(reuse)) co_return idle;
    if (ConnectionSlot slot = target->take_slot()) {
      co_return co_await connect(services, std::move(target), std::move(slot), rule, wait);
    }
    if (!again) services.counters.waits_for_upstream.add();
    if (!again && target->queue_is_full()) {
      services.counters.queue_full.add();
      co_return refuse(services, *target, rule, Deadline::none);
    }
    Turn turn(*target, until, again);
    TurnWait waiting(turn);
    wait.waiting_on(waiting);
    const bool came = co_await turn;
    wait.done();
    if (wait.cancelled()) co_return wait.error();
    if (!came) {
      services.counters.deadlines[Deadline::queue].add();
      co_return refuse(services, *target, rule, Deadline::queue);
    }
  }
}

}  // namespace ocsproxy
