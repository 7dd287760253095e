#include "check/live/probe_loop.h"

#include <fcntl.h>

#include <algorithm>

#include "base/text.h"
#include "net/dns_channel.h"
#include "proxy/connector.h"

namespace ocsproxy {
namespace {

Result<std::vector<ServiceTarget>> service_answer(const std::string& name, int status,
                                                  const ares_srv_reply* found,
                                                  const std::string& servers) {
  std::vector<ServiceTarget> targets;
  for (; found != nullptr; found = found->next) {
    std::string host = lower(found->host);
    if (host.ends_with('.')) host.pop_back();
    // RFC 2782: "." is a service that is decidedly not there.
    if (!host.empty()) targets.push_back({std::move(host), found->port});
  }
  if (!targets.empty()) return targets;
  const bool none = status == ARES_ENOTFOUND || status == ARES_ENODATA || status == ARES_SUCCESS;
  return Error{.kind = ErrorKind::unresolved,
               .detail = none ? "there is no SRV record " + name + " at " + servers
                              : "the SRV record " + name + " could not be asked for (" +
                                    ares_strerror(status) + ": " + servers + ')'};
}

}  // namespace

ProbeLoop::ProbeLoop(const std::string& resolver)
    : servers_(resolver),
      tls_(library_),
      reactor_(io_),
      resolver_(io_, {.servers = resolver}),
      nowhere_(::open("/dev/null", O_WRONLY | O_CLOEXEC)),
      log_(nowhere_.get()),
      services_{.reactor = reactor_,
                .tls = tls_,
                .resolver = resolver_,
                .sessions = sessions_,
                .log = log_,
                .access_log = nullptr,
                .counters = counters_,
                .via = "ocsproxy",
                .snapshot = snapshot_,
                .draining = draining_,
                .last_id = last_id_} {}

ProbeLoop::~ProbeLoop() = default;

ProbeLoop::Answers ProbeLoop::resolve(const std::set<std::string>& names) {
  Answers answers;
  std::vector<Resolver::Query> queries;
  queries.reserve(names.size());
  io_.restart();
  for (const std::string& name : names) {
    queries.push_back(resolver_.resolve(name, [&, name](const Resolver::Answer& answer) {
      answers.emplace(name, answer);
      if (answers.size() == names.size()) io_.stop();
    }));
  }
  if (answers.size() < names.size()) io_.run();
  return answers;
}

ProbeLoop::ServiceAnswers ProbeLoop::resolve_services(const std::set<std::string>& names) {
  ServiceAnswers answers;
  auto channel = DnsChannel::open(io_, servers_, Resolver::Options().timeout, [] {});
  io_.restart();
  for (const std::string& name : names) {
    if (!channel) {
      answers.emplace(name, channel.error());
      continue;
    }
    (*channel)->ask_services(name, [&, name](int status, const ares_srv_reply* found) {
      answers.emplace(name, service_answer(name, status, found, (*channel)->servers()));
      if (answers.size() == names.size()) io_.stop();
    });
  }
  if (answers.size() < names.size()) io_.run();
  return answers;
}

Task<Result<Lease>> ProbeLoop::connect(TargetKey key, UpstreamPolicy policy, SocketAddress address,
                                       const settings::Rule& rule) {
  key.addresses = {address.ip.to_string()};
  std::unique_ptr<UpstreamContext> context;
  if (key.bridging == settings::Bridging::https) {
    auto made = UpstreamContext::make(library_, policy);
    if (!made) co_return std::move(made).error();
    context = *std::move(made);
  }
  auto target = make_local<Target>(reactor_, counters_, std::move(key), std::move(context));
  UpstreamWait wait;
  co_return co_await acquire_connection(services_, target, rule, Reuse::never, wait);
}

void ProbeLoop::run(const std::vector<Probe>& probes) {
  if (probes.empty()) return;
  std::vector<Task<>> tasks(std::min(probes.size(), kAtOnce));
  next_ = 0;
  running_ = tasks.size();
  io_.restart();
  for (Task<>& task : tasks) {
    task = run_some(probes);
    task.start();
  }
  if (running_ > 0) io_.run();
}

Task<> ProbeLoop::run_some(const std::vector<Probe>& probes) {
  while (next_ < probes.size()) {
    Task<> probe = probes[next_++]();
    co_await probe;
  }
  if (--running_ == 0) io_.stop();
}

}  // namespace ocsproxy
