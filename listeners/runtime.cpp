#include "listeners/runtime.h"

#include <malloc.h>
#include <poll.h>

#include <algorithm>
#include <bit>
#include <future>
#include <set>

#include "base/units.h"
#include "listeners/interfaces.h"
#include "rules/expectations.h"
#include "settings/load.h"
#include "tls/read_certificates.h"

namespace ocsproxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// How often the main thread looks at what is due by the clock when nothing else happens.
constexpr milliseconds kHousekeeping{1'000};
constexpr milliseconds kWhenBusy{100};
constexpr auto kLoadSaidEvery = std::chrono::seconds(10);
// What no connection used for so long goes back to the system.
constexpr auto kMemoryGivenBackEvery = std::chrono::seconds(5);
// malloc is asked for it only where it is worth that its arenas are locked meanwhile.
constexpr std::uint64_t kWorthGivingBack = 4u << 20;
constexpr auto kExpiryEvery = std::chrono::hours(12);

// A name that no other proxy has, so that a foreign "ocsproxy" in Via is not taken for ourselves.
std::string pseudonym(const Library& library) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::array<unsigned char, 4> random{};
  library.random(random);
  std::string text = "ocsproxy-";
  for (const unsigned char byte : random) {
    text += kHex[byte >> 4];
    text += kHex[byte & 15];
  }
  return text;
}

std::string_view what_is_done(LoadLevel level) {
  switch (level) {
    case LoadLevel::normal:
      break;
    case LoadLevel::closing:
      return "connections close after their response";
    case LoadLevel::shedding:
      return "idle connections are closed";
    case LoadLevel::refusing:
      return "new connections are not taken";
  }
  return {};
}

HashKey random_hash_key(const Library& library) {
  std::array<unsigned char, sizeof(HashKey)> random{};
  library.random(random);
  return std::bit_cast<HashKey>(random);
}

}  // namespace

std::shared_ptr<const Snapshot> compile_snapshot(settings::Loaded loaded, Files& files,
                                                 std::uint64_t generation, Findings& findings) {
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->generation = generation;
  snapshot->loaded = std::move(loaded);
  const settings::Settings& settings = snapshot->settings();
  const auto interfaces = network_interfaces();
  const auto own = interfaces ? own_addresses(*interfaces) : std::vector<IpAddress>();
  snapshot->table = rules::RuleTable::compile(settings, own, findings);
  snapshot->flood = rules::FloodPolicy(settings, own);
  if (!findings.has_errors()) rules::prove_expectations(settings, *snapshot->table, findings);
  const Library library(Library::Algorithms::legacy);
  const auto now = std::chrono::system_clock::now();
  for (const settings::Listener& listener : settings.listeners) {
    auto& certificates = snapshot->certificates.emplace_back();
    if (!listener.https) continue;
    for (const settings::CertificateFiles& from : listener.https->certificates) {
      certificates.push_back(read_certificate(library, from, files, now, findings));
    }
  }
  snapshot->roots = read_trusted_roots(library, settings.trusted_roots, files, now, findings);
  if (findings.has_errors()) return nullptr;
  return snapshot;
}

Runtime::Runtime(ControlSource& control, std::string configuration, const Log& log,
                 QuestionServer* questions)
    : control_(control),
      configuration_(std::move(configuration)),
      log_(log),
      questions_(questions),
      via_(pseudonym(library_)),
      flood_(random_hash_key(library_)),
      ticket_keys_(TicketKeys::make(library_)),
      tickets_rotated_(steady_clock::now()),
      expiry_looked_at_(steady_clock::now()),
      load_said_(steady_clock::now() - kLoadSaidEvery) {}

Runtime::~Runtime() {
  end_workers();
  if (access_log_) access_log_->stop();
}

int Runtime::run() {
  while (true) {
    pollfd wait{control_.descriptor(), POLLIN, 0};
    const bool busy = load_.level() != LoadLevel::normal;
    (void)::poll(&wait, 1, static_cast<int>((busy ? kWhenBusy : kHousekeeping).count()));
    while (true) {
      Result<std::optional<ControlMessage>> message = control_.receive();
      if (!message) {
        log_.error("the supervisor is gone: " + message.error().detail);
        if (snapshot_) drain();
        return 1;
      }
      if (!*message) break;
      if (handle(std::move(**message))) return snapshot_ ? 0 : 1;
    }
    if (!snapshot_) continue;
    watch_load();
    give_memory_back_when_due();
    rotate_tickets_when_due();
    warn_of_expiry_when_due();
  }
}

bool Runtime::handle(ControlMessage message) {
  switch (message.kind) {
    case ControlMessage::Kind::bundle: {
      const Status applied = apply(std::move(message.bundle));
      if (applied) {
        control_.accepted();
        return false;
      }
      log_.error("the configuration was not taken over" +
                 std::string(snapshot_ ? "; the old one runs on" : "") + ": " +
                 applied.error().detail);
      control_.refused(applied.error().detail);
      return snapshot_ == nullptr;
    }
    case ControlMessage::Kind::reopen_log:
      if (snapshot_ && access_log_)
        access_log_->reopen(std::move(message.access_log), snapshot_->settings().access_log.format);
      return false;
    case ControlMessage::Kind::drain:
      break;
  }
  if (snapshot_) drain();
  return true;
}

// ---- loads

Status Runtime::apply(LoadBundle bundle) {
  MemoryFiles files(std::move(bundle.contents), std::move(bundle.listings));
  Result<settings::Loaded> loaded = settings::load(configuration_, files);
  if (!loaded) return std::move(loaded).error();
  Findings findings;
  for (const Finding& finding : loaded->findings.all()) findings.add(finding);
  if (findings.has_errors()) {
    return Error{.kind = ErrorKind::malformed, .detail = render(findings, loaded->sources)};
  }
  const Sources sources = loaded->sources;
  std::shared_ptr<const Snapshot> snapshot =
      compile_snapshot(*std::move(loaded), files, generation_ + 1, findings);
  if (!snapshot) return Error{.kind = ErrorKind::malformed, .detail = render(findings, sources)};

  if (workers_.empty())
    start_workers(bundle.summary.workers, snapshot->settings(), std::move(bundle.access_log));
  const auto rule_counts = std::make_shared<RuleCounts>(
      snapshot->settings(), workers_.size(), snapshot_ ? &snapshot_->settings() : nullptr);
  // All workers, or none: each makes its contexts first, and only then all switch over.
  std::vector<std::future<Status>> prepared;
  for (const auto& worker : workers_)
    prepared.push_back(worker->prepare(snapshot, ticket_keys_, rule_counts));
  Status outcome = Done{};
  for (auto& one : prepared) {
    if (Status status = one.get(); !status) outcome = std::move(status);
  }
  if (!outcome) return outcome;
  const bool first = snapshot_ == nullptr;
  set_budget(snapshot->settings().limits);
  if (!first) switch_log(std::move(bundle.access_log), snapshot->settings().access_log.format);
  auto endpoints = endpoints_for_workers(bundle, snapshot->settings());
  std::vector<std::future<void>> committed;
  for (std::size_t i = 0; i < workers_.size(); ++i)
    committed.push_back(workers_[i]->commit(std::move(endpoints[i])));
  for (auto& one : committed) one.get();
  snapshot_ = std::move(snapshot);
  rule_counts_ = rule_counts;
  ++generation_;
  tell_questions();
  log_.info((first ? "serving " : "reloaded ") + configuration_ + ": generation " +
            std::to_string(generation_) + ", " +
            std::to_string(snapshot_->settings().listeners.size()) + " listeners, " +
            std::to_string(snapshot_->settings().rules.size()) + " rules, " +
            std::to_string(workers_.size()) + " workers");
  return Done{};
}

void Runtime::tell_questions() {
  if (questions_ == nullptr) return;
  auto served = std::make_shared<Served>();
  served->snapshot = snapshot_;
  served->since = std::chrono::system_clock::now();
  for (const auto& worker : workers_) served->workers.push_back(&worker->counters());
  served->listeners = {loads_.begin(), loads_.end()};
  served->rules = rule_counts_;
  served->access_log = access_log_.get();
  questions_->answer_from(std::move(served));
}

void Runtime::start_workers(std::size_t count, const settings::Settings& settings,
                            Descriptor access_log) {
  if (access_log) {
    access_log_ = std::make_unique<AccessLogWriter>(
        std::move(access_log), settings.access_log.format, count,
        [this](LogLevel level, std::string_view text) { log_.write(level, text); });
  }
  const TlsAcceleration acceleration{
      .kernel = *settings.kernel_tls ? KernelTls::detect() : KernelTls(),
      .gcm = VectorGcm::detect(Library())};
  log_.info("kernel TLS: " + acceleration.kernel.to_string());
  log_.info("AES-GCM of TLS 1.3: " + acceleration.gcm.to_string());
  for (std::size_t i = 0; i < count; ++i) {
    workers_.push_back(std::make_unique<Worker>(i, count, via_, acceleration, flood_, load_, log_,
                                                access_log_ ? &access_log_->ring(i) : nullptr));
    load_.watch(workers_.back()->counters());
  }
  load_.set_other_descriptors(open_descriptors());
}

std::vector<std::vector<WorkerEndpoint>> Runtime::endpoints_for_workers(
    LoadBundle& bundle, const settings::Settings& settings) {
  std::vector<std::vector<WorkerEndpoint>> result(workers_.size());
  for (BoundEndpoint& endpoint : bundle.endpoints) {
    std::shared_ptr<ListenerLoad>& load = loads_[*settings.listeners[endpoint.listener].name];
    if (!load) load = std::make_shared<ListenerLoad>(workers_.size());
    for (std::size_t i = 0; i < workers_.size(); ++i) {
      result[i].push_back({.address = endpoint.address,
                           .secure = endpoint.secure,
                           .listener = endpoint.listener,
                           .socket = std::move(endpoint.sockets[i]),
                           .load = load});
    }
  }
  return result;
}

void Runtime::switch_log(Descriptor access_log, settings::AccessLog::Format format) {
  if (access_log && access_log_) {
    access_log_->reopen(std::move(access_log), format);
  } else if (access_log) {
    log_.warning("access_log was switched on: it begins with the next start, not with a reload");
  } else if (access_log_) {
    log_.warning("access_log was removed: the old file is written until the next start");
  }
}

// ---- by the clock

void Runtime::set_budget(const settings::ProcessLimits& limits) {
  load_.set_budget({*limits.connections, descriptor_limit(),
                    *limits.memory != 0 ? *limits.memory : available_memory()});
}

void Runtime::watch_load() {
  // Without a descriptor to ask with, what was known last counts.
  if (const std::uint64_t bytes = resident_memory(); bytes != 0) load_.set_memory(bytes);
  const LoadLevel now = load_.level();
  // Memory comes and goes without a connection that would make a worker look.
  if (now != LoadLevel::normal || was_loaded_) {
    for (const auto& worker : workers_) worker->look_at_load();
  }
  was_loaded_ = now != LoadLevel::normal;
  // What workers and OpenSSL gave back is the system's again only now.
  if (now >= LoadLevel::shedding) (void)::malloc_trim(0);
  const LoadLevel peak = std::max(now, load_.take_peak());
  if (peak == LoadLevel::normal || steady_clock::now() - load_said_ < kLoadSaidEvery) return;
  load_said_ = steady_clock::now();
  log_.warning("overload: " + std::string(what_is_done(peak)) +
               (now < peak ? " for a moment; now " : ": ") + load_.describe());
}

// After a flood of connections, what was theirs.
void Runtime::give_memory_back_when_due() {
  if (steady_clock::now() - memory_given_back_ < kMemoryGivenBackEvery) return;
  memory_given_back_ = steady_clock::now();
  std::uint64_t bytes = 0;
  for (const auto& worker : workers_) {
    bytes += worker->take_given_back();
    worker->give_memory_back();
  }
  if (bytes >= kWorthGivingBack) (void)::malloc_trim(0);
}

void Runtime::rotate_tickets_when_due() {
  if (steady_clock::now() - tickets_rotated_ < TicketKeys::kRotation) return;
  tickets_rotated_ = steady_clock::now();
  ticket_keys_ = ticket_keys_->rotated(library_);
  for (const auto& worker : workers_) worker->set_ticket_keys(ticket_keys_);
}

void Runtime::warn_of_expiry_when_due() {
  if (steady_clock::now() - expiry_looked_at_ < kExpiryEvery) return;
  expiry_looked_at_ = steady_clock::now();
  const auto now = std::chrono::system_clock::now();
  for (std::size_t i = 0; i < snapshot_->certificates.size(); ++i) {
    for (const auto& certificate : snapshot_->certificates[i]) {
      const std::string text = expiry_text(*certificate, now);
      if (!text.empty())
        log_.warning("listener \"" + *snapshot_->settings().listeners[i].name + "\": " + text);
    }
  }
}

// ---- the end

void Runtime::drain() {
  log_.info("draining: no new connections; what is under way has " +
            format_duration(*snapshot_->settings().drain) + " to finish");
  std::vector<std::future<void>> drained;
  for (const auto& worker : workers_) drained.push_back(worker->drain());
  const auto deadline = steady_clock::now() + *snapshot_->settings().drain;
  bool insist = false;
  const auto all_ready = [&] {
    return std::all_of(drained.begin(), drained.end(), [](const auto& one) {
      return one.wait_for(milliseconds(0)) == std::future_status::ready;
    });
  };
  while (!all_ready() && steady_clock::now() < deadline && !insist) {
    pollfd wait{control_.descriptor(), POLLIN, 0};
    (void)::poll(&wait, 1, 20);
    if (wait.revents == 0) continue;
    // A second request to end is an order; anything else can wait for the next process.
    Result<std::optional<ControlMessage>> message = control_.receive();
    insist = !message || (*message && (*message)->kind == ControlMessage::Kind::drain);
  }
  if (!all_ready()) log_.warning("the drain is over before all connections were: they are cut off");
  report_counters();
  end_workers();
}

void Runtime::end_workers() {
  if (questions_ != nullptr) questions_->end();  // it reads what they count
  // All of them read what each counts, so none goes before the last has ended.
  for (const auto& worker : workers_) worker->stop();
  for (const auto& worker : workers_) worker->join();
  workers_.clear();
}

void Runtime::report_counters() const {
  std::uint64_t requests = 0, connections = 0, refused = 0, retries = 0, pinned = 0, violations = 0;
  for (const auto& worker : workers_) {
    const Counters& counters = worker->counters();
    requests += counters.requests.value();
    connections += counters.connections.value();
    refused += counters.refused_connections[RefusedConnection::listener_limit].value();
    for (const FloodLimit limit : {FloodLimit::connections_per_minute,
                                   FloodLimit::concurrent_connections, FloodLimit::half_open}) {
      refused += counters.flood_refused[limit].value();
    }
    retries += counters.retries.value();
    pinned += counters.pinned.value();
    violations += counters.identity_violations.value();
  }
  log_.info(
      "served " + std::to_string(requests) + " requests on " + std::to_string(connections) +
      " connections, refused " + std::to_string(refused) + " over a limit, tried " +
      std::to_string(retries) + " requests again; " + std::to_string(pinned) +
      " upstream connections were pinned, identity violations: " + std::to_string(violations));
}

}  // namespace ocsproxy
