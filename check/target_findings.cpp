#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "check/loop.h"
#include "check/policy_findings.h"
#include "settings/shown_text.h"

namespace ocsproxy {
namespace {

using settings::Bridging;
using settings::Delegation;
using settings::Listener;
using settings::Rule;
using settings::shown;

// A place where the site is reached, as far as the configuration says it: names are for DNS.
struct Reached {
  IpAddress address;
  Location where;
};

std::vector<Reached> reached_addresses(const settings::Target& to) {
  std::vector<Reached> reached;
  for (const auto& address : to.addresses) {
    if (const auto ip = IpAddress::parse(*address)) reached.push_back({*ip, address.where});
  }
  if (to.addresses.empty()) {
    if (const auto ip = IpAddress::parse(*to.site)) reached.push_back({*ip, to.site.where});
  }
  return reached;
}

auto first_outside(const Subject& subject, const std::vector<Reached>& reached) {
  return std::ranges::find_if(reached, [&](const Reached& one) {
    return subject.is_external(one.address) && !subject.machine().is_own(one.address);
  });
}

void check_loop(const Subject& subject, const settings::Target& to, Findings& findings) {
  for (const Reached& reached : reached_addresses(to)) {
    (void)report_loop(subject.settings(), subject.machine(), {reached.address, *to.port},
                      reached.where, findings);
  }
}

void check_port(const Rule& rule, Findings& findings) {
  static constexpr std::array<std::uint16_t, 2> kClear{80, 8080};
  static constexpr std::array<std::uint16_t, 3> kEncrypted{443, 4443, 8443};
  const std::uint16_t port = *rule.to->port;
  const bool https = *rule.bridging == Bridging::https;
  const bool odd = https ? std::ranges::find(kClear, port) != kClear.end()
                         : std::ranges::find(kEncrypted, port) != kEncrypted.end();
  if (!odd) return;
  findings.warning("port-unlike-bridging", rule.to->port.where,
                   "port " + std::to_string(port) + " is one for " + (https ? "HTTP" : "HTTPS") +
                       ", and the rule says  bridging: " + (https ? "https" : "http"),
                   "change the port, or  bridging");
}

// --- what crosses a wire in clear ---

void check_outside(const Subject& subject, const Rule& rule, Findings& findings) {
  // Where no network is named, nothing is said of what is inside.
  if (*rule.bridging == Bridging::http || subject.settings().networks.empty()) return;
  const auto reached = reached_addresses(*rule.to);
  const auto outside = first_outside(subject, reached);
  if (outside == reached.end()) return;
  findings.note("site-outside", outside->where,
                "the site " + shown(*rule.to->site) + " is reached at " +
                    outside->address.to_string() + ", which is in no internal network",
                "mend the address, or add it to the network that it is in, under  networks");
}

void check_clear_to_site(const Subject& subject, const Rule& rule, Findings& findings) {
  if (*rule.bridging == Bridging::https) return;
  const auto reached = reached_addresses(*rule.to);
  const auto outside = first_outside(subject, reached);
  if (outside != reached.end()) {
    findings.warning("clear-to-external", outside->where,
                     "requests go unencrypted to " + outside->address.to_string() +
                         ", which is in no internal network",
                     "write  bridging: https, or add the address to the network that it is in, "
                     "under  networks");
    return;
  }
  const bool stays_here = !reached.empty() && std::ranges::all_of(reached, [&](const Reached& one) {
    return subject.machine().is_own(one.address);
  });
  if (*rule.delegation != Delegation::client || stays_here) return;
  findings.note("clear-credentials-to-site", rule.bridging.where,
                "clients may log in at " + shown(*rule.to->site) +
                    ", and their credentials go there unencrypted",
                "write  bridging: https, or  delegation: none  where nobody logs in");
}

void check_clear_from_client(const Subject& subject, const Rule& rule, Findings& findings) {
  const auto number = subject.listener_of(rule);
  if (!number || *rule.delegation != Delegation::client) return;
  const Listener& listener = subject.settings().listeners[*number];
  if (!listener.http || listener.http->redirect_to_https) return;
  const auto& external = *subject.networks().addresses(settings::kExternal);
  if ((subject.addresses(rule) & external).empty()) return;
  findings.warning("clear-credentials-from-client", rule.listener.where,
                   "clients outside may log in over plain HTTP: the listener " +
                       shown(*listener.name) + " serves rules on port " +
                       std::to_string(*listener.http->port),
                   "write  http: {redirect: https}  at the listener, or  delegation: none  here");
}

}  // namespace

void check_target(const Subject& subject, const Rule& rule, Findings& findings) {
  check_loop(subject, *rule.to, findings);
  check_port(rule, findings);
  check_outside(subject, rule, findings);
  check_clear_to_site(subject, rule, findings);
  check_clear_from_client(subject, rule, findings);
}

}  // namespace ocsproxy
