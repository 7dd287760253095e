#include <algorithm>
#include <set>
#include <string>

#include "check/policy_findings.h"
#include "settings/shown_text.h"

namespace ocsproxy {
namespace {

using settings::Listener;
using settings::shown;

void check_addresses(const Listener& listener, const Machine& machine, Findings& findings) {
  for (const auto& address : listener.addresses) {
    if (address->is_unspecified()) {
      findings.note("wildcard-address", address.where,
                    address->to_string() + " is every " + (address->is_v4() ? "IPv4" : "IPv6") +
                        " address of this machine, those of the internal NICs too",
                    "name the one address that the public name has in DNS");
    } else if (!listener.freebind && !machine.has(*address)) {
      findings.warning("address-on-no-nic", address.where,
                       "no NIC of this machine has " + address->to_string() +
                           ", so the proxy will not start with it",
                       describe(machine.interfaces) +
                           "; for another machine say  --local-address, for a standby  freebind: "
                           "true");
    }
  }
}

void check_port(const Located<std::uint16_t>& port, Location section, const Machine& machine,
                Findings& findings) {
  if (machine.may_bind_low_ports || *port >= machine.first_free_port) return;
  findings.note("privileged-port", port.where.line != 0 ? port.where : section,
                "to listen on port " + std::to_string(*port) +
                    " the proxy has to be started with more privilege than this account has",
                "start it as root (it serves unprivileged all the same), or give it "
                "CAP_NET_BIND_SERVICE");
}

// To name the addresses of sites is a use as well: it says that they are inside.
bool holds_a_site(const Subject& subject, const settings::Network& network) {
  const rules::AddressSet& members = *subject.networks().addresses(*network.name);
  return std::ranges::any_of(subject.settings().rules, [&](const settings::Rule& rule) {
    return rule.to && std::ranges::any_of(rule.to->addresses, [&](const auto& address) {
             const auto ip = IpAddress::parse(*address);
             return ip && members.contains(*ip);
           });
  });
}

}  // namespace

void check_listeners(const Subject& subject, Findings& findings) {
  std::set<std::uint32_t> publishing;
  for (const settings::Rule& rule : subject.settings().rules) {
    const auto listener = subject.listener_of(rule);
    if (rule.enabled && rule.to && listener) publishing.insert(*listener);
  }
  for (std::uint32_t number = 0; number < subject.settings().listeners.size(); ++number) {
    const Listener& listener = subject.settings().listeners[number];
    check_addresses(listener, subject.machine(), findings);
    if (listener.http) {
      check_port(listener.http->port, listener.http->where, subject.machine(), findings);
    }
    if (listener.https) {
      check_port(listener.https->port, listener.https->where, subject.machine(), findings);
    }
    if (!publishing.contains(number) && !subject.settings().rules.empty()) {
      findings.warning("listener-without-rules", listener.name.where,
                       "no enabled rule publishes through the listener " + shown(*listener.name) +
                           ", so it denies every request",
                       "name it as the  listener  of a rule, or remove it");
    }
  }
}

void check_unused(const Subject& subject, Findings& findings) {
  const settings::Settings& settings = subject.settings();
  std::set<std::string_view> used{settings::kExternal};
  for (const Listener& listener : settings.listeners) {
    for (const auto& name : listener.networks) used.insert(*name);
  }
  for (const settings::Rule& rule : settings.rules) {
    for (const auto* sources : {&rule.from, &rule.except_from}) {
      for (const settings::Source& source : *sources) used.insert(source.text);
    }
  }
  for (const settings::FloodException& exception : settings.flood_mitigation.exceptions) {
    for (const settings::Source& source : exception.from) used.insert(source.text);
  }
  for (const settings::Network& network : settings.networks) {
    if (used.contains(*network.name) || holds_a_site(subject, network)) continue;
    findings.note("network-unused", network.name.where,
                  "no rule and no listener names the network " + shown(*network.name) +
                      ", and no site is in it",
                  "all it does is that its addresses are not External");
  }
  const bool verifies = std::ranges::any_of(settings.rules, [](const settings::Rule& rule) {
    return rule.enabled && rule.to && *rule.bridging == settings::Bridging::https;
  });
  if (!settings.trusted_roots.empty() && !verifies && !settings.rules.empty()) {
    findings.note("trusted-roots-unused", settings.trusted_roots.front().where,
                  "no enabled rule encrypts to its site, so no certificate is verified by these",
                  "remove them, or write  bridging: https  where the site can do it");
  }
}

}  // namespace ocsproxy
