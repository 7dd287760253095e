#include "check/live/sites.h"

#include <map>
#include <memory>
#include <set>
#include <utility>

#include "check/live/site_probe.h"
#include "check/loop.h"
#include "check/subject.h"

namespace ocsproxy {
namespace {

using settings::Rule;

// A rule may list thousands of paths; so many are asked for at one site.
constexpr std::size_t kQuestions = 64;

TargetKey key_of(const Rule& rule, const UpstreamPolicy& policy) {
  TargetKey key{.site = *rule.to->site,
                .addresses = {},
                .port = *rule.to->port,
                .bridging = *rule.bridging,
                .tls_policy = {},
                .limit = 1};
  for (const auto& address : rule.to->addresses) key.addresses.push_back(*address);
  if (key.bridging == settings::Bridging::https) key.tls_policy = policy.identity();
  return key;
}

// The places of a site that are not this proxy itself.
class Places {
 public:
  Places(const Configuration& configuration, const Machine& machine,
         const ProbeLoop::Answers& names, LiveReport& report)
      : configuration_(configuration), machine_(machine), names_(names), report_(report) {}

  std::vector<Site::Place> of(const settings::Target& to) const {
    std::vector<Site::Place> places;
    if (to.addresses.empty()) add(to.site, *to.port, places);
    for (const auto& address : to.addresses) add(address, *to.port, places);
    return places;
  }

 private:
  void add(const Located<std::string>& host, std::uint16_t port,
           std::vector<Site::Place>& places) const {
    const auto literal = IpAddress::parse(*host);
    if (literal) {
      Findings known;  // said by --check already
      const SocketAddress address{*literal, port};
      if (!report_loop(configuration_.settings, machine_, address, host.where, known)) {
        places.push_back({address, host.where});
      }
      return;
    }
    const Resolver::Answer& answer = names_.find(*host)->second;
    if (!answer) return;
    for (const IpAddress& ip : *answer) {
      const SocketAddress address{ip, port};
      if (!report_loop(configuration_.settings, machine_, address, host.where, report_.findings)) {
        places.push_back({address, host.where});
      }
    }
  }

  const Configuration& configuration_;
  const Machine& machine_;
  const ProbeLoop::Answers& names_;
  LiveReport& report_;
};

std::vector<Site> sites_of(const Configuration& configuration, const Machine& machine,
                           const ProbeLoop::Answers& names, LiveReport& report) {
  const Places places(configuration, machine, names, report);
  const Subject subject(configuration.settings, *configuration.table, machine);
  std::map<TargetKey, std::size_t> known;
  std::vector<Site> sites;
  for (std::uint32_t number = 0; number < configuration.settings.rules.size(); ++number) {
    const Rule& rule = configuration.settings.rules[number];
    if (!rule.enabled || !rule.to) continue;
    const UpstreamPolicy policy{.roots = configuration.roots,
                                .minimum_version = *rule.to->minimum_version,
                                .legacy = *rule.to->legacy};
    TargetKey key = key_of(rule, policy);
    const auto [site, is_new] = known.emplace(key, sites.size());
    if (is_new) sites.push_back({std::move(key), policy, number, places.of(*rule.to), {}});
    auto& questions = sites[site->second].questions;
    if (questions.size() == kQuestions) continue;
    for (DirectoryQuestion& question : questions_of(configuration, subject, number)) {
      if (questions.size() < kQuestions) questions.push_back(std::move(question));
    }
    if (questions.size() == kQuestions) {
      report.well.push_back("of " + *rule.to->site + " the first " + std::to_string(kQuestions) +
                            " directories are asked for");
    }
  }
  return sites;
}

}  // namespace

void check_sites(const Configuration& configuration, const Machine& machine,
                 const ProbeLoop::Answers& names, ProbeLoop& loop, LiveReport& report) {
  std::vector<std::unique_ptr<SiteProbe>> probes;
  std::vector<ProbeLoop::Probe> runs;
  for (Site& site : sites_of(configuration, machine, names, report)) {
    probes.push_back(std::make_unique<SiteProbe>(configuration, machine, std::move(site), loop));
    runs.emplace_back([probe = probes.back().get()] { return probe->run(); });
  }
  loop.run(runs);
  for (const auto& probe : probes) report.add(probe->report());
}

}  // namespace ocsproxy
