#include "check/live/records.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/text.h"
#include "check/live/names.h"
#include "settings/shown_text.h"

namespace ocsproxy {
namespace {

using settings::AddressRecord;
using settings::ServiceRecord;
using settings::shown;

void check_host(const AddressRecord& record, const Resolver::Answer& answer, LiveReport& report) {
  if (!answer) {
    report.findings.warning("dns-record-missing", record.host.where, answer.error().detail,
                            "add an address record");
    return;
  }
  std::vector<IpAddress> wanted;
  for (const auto& address : record.addresses) wanted.push_back(*address);
  if (!wanted.empty() &&
      std::set(wanted.begin(), wanted.end()) != std::set(answer->begin(), answer->end())) {
    report.findings.warning(
        "dns-record-differs", record.addresses.front().where,
        shown(*record.host) + " is " + list_of(*answer) + " in DNS, not " + list_of(wanted),
        "correct the record, or the entry");
    return;
  }
  report.well.push_back(*record.host + " is " + list_of(*answer) + " in DNS");
}

std::string place_text(const ServiceTarget& target) {
  return escaped(target.host) + ':' + std::to_string(target.port);
}

bool is_inside(std::string_view host, std::string_view domain) {
  return iends_with(host, domain) &&
         (host.size() == domain.size() || host[host.size() - domain.size() - 1] == '.');
}

// One target of one SRV record: its name, and the certificate of who listens there.
class TargetProbe {
 public:
  TargetProbe(const ServiceRecord& record, ServiceTarget target, const Resolver::Answer& answer,
              std::shared_ptr<const TrustedRoots> roots, ProbeLoop& loop)
      : record_(record),
        target_(std::move(target)),
        answer_(answer),
        roots_(std::move(roots)),
        loop_(loop) {}

  Task<> run() {
    compare();
    if (!answer_) {
      report_.findings.warning(
          "dns-record-missing", record_.name.where,
          *record_.name + " leads to " + place_text(target_) + ": " + answer_.error().detail,
          "add an address record for the target");
      co_return;
    }
    if (roots_->empty()) co_return;  // then no certificate could be verified
    // Nothing is sent there, so it may be as old as servers of 2007 are.
    const UpstreamPolicy policy{
        .roots = roots_, .minimum_version = settings::TlsVersion::tls1_0, .legacy = true};
    const TargetKey key{.site = target_.host,
                        .addresses = {},
                        .port = target_.port,
                        .bridging = settings::Bridging::https,
                        .tls_policy = policy.identity(),
                        .limit = 1};
    const SocketAddress address{answer_->front(), target_.port};
    Result<Lease> lease = co_await loop_.connect(key, policy, address, kAsRule);
    const std::string text = *record_.name + " leads to " + place_text(target_);
    if (lease) {
      report_.well.push_back(text + ", whose certificate is for that name");
    } else if (lease.error().kind == ErrorKind::untrusted) {
      report_.findings.warning("dns-target-untrusted", record_.name.where,
                               text + ": " + lease.error().detail);
    } else {
      // A firewall may be meant to keep this machine from it.
      report_.well.push_back(text + "; it could not be asked for its certificate (" +
                             std::string(to_string(lease.error().kind)) + ")");
    }
  }

  const LiveReport& report() const { return report_; }

 private:
  static inline const settings::Rule kAsRule{};  // its deadlines are the defaults

  void compare() {
    const std::string said = *record_.name + " leads to " + place_text(target_) + " in DNS";
    if (!record_.target->empty() && *record_.target != target_.host) {
      report_.findings.warning("dns-record-differs", record_.target.where,
                               said + ", not to " + *record_.target,
                               "correct the record, or the entry");
    }
    if (*record_.port != 0 && *record_.port != target_.port) {
      report_.findings.warning("dns-record-differs", record_.port.where,
                               said + ", not to port " + std::to_string(*record_.port),
                               "correct the record, or the entry");
    }
    if (!is_inside(target_.host, record_.domain)) {
      report_.findings.warning(
          "dns-target-outside", record_.name.where,
          said + ", which is not in " + record_.domain + ": clients do not follow it there",
          "give the server a name in " + record_.domain +
              ", on its certificate too, and let the record name that");
    }
  }

  const ServiceRecord& record_;
  const ServiceTarget target_;
  const Resolver::Answer& answer_;
  const std::shared_ptr<const TrustedRoots> roots_;
  ProbeLoop& loop_;
  LiveReport report_;
};

void check_services(const Configuration& configuration, ProbeLoop& loop, LiveReport& report) {
  std::set<std::string> names;
  for (const ServiceRecord& record : configuration.settings.services) names.insert(*record.name);
  const auto services = loop.resolve_services(names);
  std::set<std::string> hosts;
  for (const auto& [name, answer] : services) {
    if (!answer) continue;
    for (const ServiceTarget& target : *answer) hosts.insert(target.host);
  }
  const auto addresses = loop.resolve(hosts);
  std::vector<std::unique_ptr<TargetProbe>> probes;
  std::vector<ProbeLoop::Probe> runs;
  for (const ServiceRecord& record : configuration.settings.services) {
    const auto& answer = services.find(*record.name)->second;
    if (!answer) {
      report.findings.warning("dns-record-missing", record.name.where, answer.error().detail,
                              "add it, or remove the entry: clients that look for their server by "
                              "it do not find one");
      continue;
    }
    for (const ServiceTarget& target : *answer) {
      probes.push_back(std::make_unique<TargetProbe>(
          record, target, addresses.find(target.host)->second, configuration.roots, loop));
      runs.emplace_back([probe = probes.back().get()] { return probe->run(); });
    }
  }
  loop.run(runs);
  for (const auto& probe : probes) report.add(probe->report());
}

}  // namespace

void check_records(const Configuration& configuration, const ProbeLoop::Answers& names,
                   ProbeLoop& loop, LiveReport& report) {
  for (const AddressRecord& record : configuration.settings.hosts) {
    check_host(record, names.find(*record.host)->second, report);
  }
  check_services(configuration, loop, report);
}

}  // namespace ocsproxy
