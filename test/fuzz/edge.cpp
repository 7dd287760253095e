#include "test/fuzz/edge.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <utility>

#include <boost/asio/io_context.hpp>

#include "net/resolver.h"
#include "proxy/access_log_writer.h"
#include "proxy/flood_guard.h"
#include "proxy/idle_clients.h"
#include "rules/rule_table.h"
#include "settings/load.h"
#include "test/fuzz/targets.h"

namespace ocsproxy::fuzz {
namespace {

constexpr std::string_view kConfiguration = R"(
networks: {External: [192.0.2.0/24]}
flood_mitigation: {enabled: false}
listeners: [{name: Edge, networks: [External], addresses: [203.0.113.1], http: {port: 80}}]
rules:
  - {name: Closed, action: deny, paths: ["/admin/*"]}
  - name: Site
    action: allow
    listener: Edge
    from: [External]
    public_names: [www.example.test]
    paths: ["/*", {external: /mapped/*, internal: /inside/*}]
    to: {site: pool.example.internal, address: 192.0.2.200, port: 8080}
    bridging: http
  - name: Anonymous
    action: allow
    listener: Edge
    from: [External]
    public_names: [anonymous.example.test]
    paths: ["/*"]
    to: {site: pool.example.internal, address: 192.0.2.200, port: 8080, limits: {connections: 1}}
    bridging: http
    delegation: none
  - name: Filtered
    action: allow
    listener: Edge
    from: [External]
    public_names: [filtered.example.test]
    paths: ["/*"]
    to: {site: pool.example.internal, address: 192.0.2.200, port: 8080}
    bridging: http
    http_filter:
      max_header_length: 400
      max_query_length: 40
      max_payload_length: 100
      block_windows_executables: true
      extensions: {deny: [.exe]}
      request_headers: {deny: [X-Bad]}
      response_headers: {deny: [X-Powered-By]}
      server_header: strip
      via_header: {replace: edge}
      signatures:
        - {name: Url, in: url, pattern: attack}
        - {name: Head, in: request_headers, pattern: '^x-evil:.*1$'}
        - {name: Answer, in: response_headers, pattern: 'x-secret: '}
        - {name: Upload, in: request_body, first: 20, pattern: '<script'}
        - {name: Download, in: response_body, first: 20, pattern: 'root:.*:0:'}
)";

std::shared_ptr<const Snapshot> make_snapshot() {
  MemoryFiles files({{"conf/a.yaml", std::string(kConfiguration)}}, {{"conf", {"conf/a.yaml"}}});
  Result<settings::Loaded> loaded = settings::load("conf", files, settings::NamedFiles::later);
  require(loaded && !loaded->findings.has_errors(), "the configuration is sound");
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->loaded = *std::move(loaded);
  Findings findings;
  snapshot->table = rules::RuleTable::compile(snapshot->settings(), {}, findings);
  snapshot->certificates.resize(1);
  return snapshot;
}

std::array<Descriptor, 2> make_pair() {
  std::array<int, 2> ends{};
  require(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) == 0,
          "there are descriptors");
  return {Descriptor(ends[0]), Descriptor(ends[1])};
}

Edge* current = nullptr;

}  // namespace

// ---- peers

void Peer::send(std::string_view bytes) {
  while (fd && !bytes.empty()) {
    // What does not fit is not sent: nobody is to wait here.
    const ssize_t size = ::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (size <= 0) return;
    sent.append(bytes.substr(0, static_cast<std::size_t>(size)));
    bytes.remove_prefix(static_cast<std::size_t>(size));
  }
}

void Peer::half_close() {
  half_closed = true;
  if (fd) (void)::shutdown(fd.get(), SHUT_WR);
}

bool Peer::receive() {
  bool anything = false;
  while (fd && !ended) {
    std::array<char, 65536> into;
    const ssize_t size = ::recv(fd.get(), into.data(), into.size(), 0);
    if (size < 0 && errno == EAGAIN) break;
    anything = true;
    if (size > 0) {
      received.append(into.data(), static_cast<std::size_t>(size));
    } else {
      ended = true;
    }
  }
  return anything;
}

// ---- the loop

struct Edge::Loop {
  boost::asio::io_context io{1};
  Library library;
  TlsResources tls{library};
  Reactor reactor{io};
  Resolver resolver{io};
  Descriptor nowhere{::open("/dev/null", O_WRONLY | O_CLOEXEC)};
  Log log{nowhere.get()};
  AccessLogRing ring{std::size_t{1} << 20, AccessLogRing::Format::json};
  Counters counters;
  SessionCache sessions{counters.evictions[Eviction::upstream_session]};
  LocalRef<WorkerSnapshot> snapshot;
  bool draining = false;
  std::uint64_t last_id = 0;
  Services services{.reactor = reactor,
                    .tls = tls,
                    .resolver = resolver,
                    .sessions = sessions,
                    .log = log,
                    .access_log = &ring,
                    .counters = counters,
                    .via = kVia,
                    .snapshot = snapshot,
                    .draining = draining,
                    .last_id = last_id,
                    .flood = &flood,
                    .idle = &idle};
  // With the one key, so that a run is repeatable; the configuration limits nobody.
  FloodTable flood_table{HashKey{}};
  FloodGuard flood{flood_table, services};
  IdleClients idle;
  std::shared_ptr<const Snapshot> configuration = make_snapshot();
};

Edge::Loop& Edge::loop() {
  static auto* const made = [] {
    // As the program does: a write to a peer that has left is an error like others.
    std::signal(SIGPIPE, SIG_IGN);
    return new Loop;
  }();
  return *made;
}

Edge::Edge() : requests_before_(loop().counters.requests.value()) {
  current = this;
  endpoint_.address = {IpAddress::from_v4(0xcb007101), 80};
  endpoint_.listener = 0;
  reload();
}

Edge::~Edge() {
  finish();
  loop().snapshot = {};
  current = nullptr;
}

std::uint64_t Edge::requests() const { return loop().counters.requests.value() - requests_before_; }

std::size_t Edge::upstream_connections() const {
  std::size_t sum = 0;
  for (const auto& target : targets_) sum += target->connections();
  return sum;
}

void Edge::reload() {
  Loop& worker = loop();
  auto snapshot = make_local<WorkerSnapshot>();
  // Another generation over the same settings.
  auto global = std::make_shared<Snapshot>();
  global->generation = ++worker.last_id;
  global->loaded.settings = worker.configuration->settings();
  Findings findings;
  global->table = worker.configuration->table;
  global->flood = rules::FloodPolicy(global->settings(), {});
  global->certificates = worker.configuration->certificates;
  snapshot->rule_counts = std::make_shared<RuleCounts>(global->settings(), 1, nullptr);
  snapshot->requests_by_rule = snapshot->rule_counts->of(0);
  snapshot->global = std::move(global);
  snapshot->listeners.resize(1);
  for (const auto& target : targets_) target->retire();
  for (const settings::Rule& rule : worker.configuration->settings().rules) {
    if (*rule.action != settings::Action::allow) {
      snapshot->targets.emplace_back();
      continue;
    }
    targets_.push_back(make_local<Target>(worker.reactor, worker.counters,
                                          TargetKey{.site = *rule.to->site,
                                                    .addresses = {*rule.to->addresses.front()},
                                                    .port = *rule.to->port,
                                                    .bridging = *rule.bridging,
                                                    .tls_policy = {},
                                                    .limit = *rule.to->limits.connections},
                                          nullptr));
    snapshot->targets.push_back(targets_.back());
  }
  worker.snapshot = std::move(snapshot);
  settle();
}

// ---- steps

Visit* Edge::visit() {
  if (connection_) return visits_.back().get();
  auto [ours, theirs] = make_pair();
  visits_.push_back(std::make_unique<Visit>(std::move(ours)));
  connection_ended_ = false;
  connection_ = std::make_unique<ClientConnection>(
      loop().services, endpoint_, load_, FloodAccount(), std::move(theirs),
      SocketAddress{IpAddress::from_v4(0xc0000207), 40000},
      [](void* edge, ClientConnection&) { static_cast<Edge*>(edge)->connection_ended_ = true; },
      this);
  connection_->prepare();
  connection_->start();
  settle();
  // It may have ended at once.
  return visits_.back().get();
}

Peer* Edge::newest_site() {
  return !site_.empty() && site_.back()->fd && !site_.back()->ended ? site_.back().get() : nullptr;
}

void Edge::client_sends(std::string_view bytes) {
  visit()->client.send(bytes);
  settle();
}

void Edge::client_half_closes() {
  visit()->client.half_close();
  settle();
}

void Edge::client_leaves() {
  Visit* const leaving = visit();
  leaving->left = true;
  leaving->client.close();
  settle();
}

void Edge::site_sends(std::string_view bytes) {
  Peer* const peer = newest_site();
  if (peer != nullptr) {
    peer->send(bytes);
  } else {
    waiting_.append(bytes);
  }
  settle();
}

void Edge::site_half_closes() {
  if (Peer* const peer = newest_site()) peer->half_close();
  settle();
}

void Edge::site_leaves() {
  if (Peer* const peer = newest_site()) peer->close();
  settle();
}

void Edge::close_when_idle() {
  if (connection_) connection_->close_when_idle();
  settle();
}

void Edge::finish() {
  if (connection_ && !visits_.back()->left) {
    visits_.back()->left = visits_.back()->client.fd && !visits_.back()->client.ended;
    visits_.back()->client.close();
  }
  settle();
  if (connection_) connection_->abort();
  settle();
  for (const auto& target : targets_) target->retire();
  settle();
}

// Until nobody has anything to say.
void Edge::settle() {
  Loop& worker = loop();
  bool anything = true;
  while (anything) {
    anything = worker.io.poll() > 0;
    worker.io.restart();
    if (!visits_.empty() && visits_.back()->client.receive()) anything = true;
    for (const auto& peer : site_) {
      if (peer->receive()) anything = true;
    }
    take_log();
    if (connection_ && connection_ended_) {
      connection_.reset();
      anything = true;
    }
  }
}

void Edge::take_log() {
  const AccessLogRing::Queued queued = loop().ring.queued(0);
  if (queued.size() == 0) return;
  std::string text(queued.first);
  text += queued.second;
  loop().ring.release(queued.size());
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = text.find('\n', begin);
    visits_.back()->log.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
}

// ---- connect()

int answer_connect(int fd) {
  auto [ours, theirs] = make_pair();
  // The other end takes the place of the socket that asked.
  if (::dup3(theirs.get(), fd, O_CLOEXEC) < 0) return -1;
  current->site_.push_back(std::make_unique<Peer>(std::move(ours)));
  current->site_.back()->send(std::exchange(current->waiting_, {}));
  return 0;
}

}  // namespace ocsproxy::fuzz

// In place of the C library's, in this program only.
extern "C" int connect(int fd, const sockaddr* address, socklen_t size);
int connect(int fd, const sockaddr* /*address*/, socklen_t /*size*/) {
  if (ocsproxy::fuzz::current == nullptr) {
    errno = ENETUNREACH;
    return -1;
  }
  return ocsproxy::fuzz::answer_connect(fd);
}
