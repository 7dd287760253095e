#include "check/live/names.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "settings/shown_text.h"

namespace ocsproxy {
namespace {

using settings::Listener;
using settings::Rule;
using settings::shown;

bool publishes(const Rule& rule) { return rule.enabled && rule.to; }
// Can DNS be asked for it?
bool is_name(std::string_view text) {
  return !text.starts_with('*') && !IpAddress::parse(text).has_value();
}

bool share_one(const std::vector<IpAddress>& some, const std::vector<IpAddress>& others) {
  return std::ranges::any_of(
      some, [&](const auto& one) { return std::ranges::find(others, one) != others.end(); });
}

// Each question about a name is answered once, however many rules ask it.
class NameCheck {
 public:
  NameCheck(const settings::Settings& settings, const Machine& machine,
            const ProbeLoop::Answers& answers, LiveReport& report)
      : settings_(settings), machine_(machine), answers_(answers), report_(report) {
    for (const Listener& listener : settings.listeners)
      listeners_.emplace(*listener.name, &listener);
  }

  void run() {
    for (const Rule& rule : settings_.rules) {
      if (!publishes(rule)) continue;
      check_site(*rule.to);
      for (const auto& name : rule.public_names) {
        if (is_name(*name) && public_names_.emplace(*rule.listener, *name).second) {
          check_public_name(rule, name);
        }
      }
    }
  }

 private:
  const std::vector<IpAddress>* addresses_of(std::string_view name) const {
    const Resolver::Answer& answer = answers_.find(name)->second;
    return answer ? &*answer : nullptr;
  }

  // What a rule's site is reached at, as far as it is known.
  std::vector<IpAddress> reached(const settings::Target& to) const {
    std::vector<IpAddress> all;
    const auto add = [&](const std::string& host) {
      if (const auto literal = IpAddress::parse(host)) {
        all.push_back(*literal);
      } else if (const auto* found = addresses_of(host)) {
        all.insert(all.end(), found->begin(), found->end());
      }
    };
    for (const auto& address : to.addresses) add(*address);
    if (to.addresses.empty()) add(*to.site);
    return all;
  }

  void check_site(const settings::Target& to) {
    if (to.addresses.empty()) {
      check_host(to.site);
      return;
    }
    for (const auto& address : to.addresses) check_host(address);
    if (is_name(*to.site)) compare_with_address(to);
  }

  void check_host(const Located<std::string>& host) {
    if (!is_name(*host) || !hosts_.insert(*host).second) return;
    if (const auto* found = addresses_of(*host)) {
      report_.well.push_back(*host + " is " + list_of(*found) + " in DNS");
    } else {
      report_.findings.error("site-unresolved", host.where,
                             answers_.find(*host)->second.error().detail,
                             "correct the name, or say where the site is:  address: 192.0.2.1");
    }
  }

  // An edge that DNS knows nothing of the inside is no fault: that is what `address` is for.
  void compare_with_address(const settings::Target& to) {
    const auto* const found = addresses_of(*to.site);
    const std::vector<IpAddress> configured = reached(to);
    if (found == nullptr || !sites_.emplace(*to.site, list_of(configured)).second) return;
    if (share_one(*found, configured)) {
      report_.well.push_back(*to.site + " is " + list_of(*found) + " in DNS, as in the rule");
      return;
    }
    report_.findings.note("site-elsewhere", to.addresses.front().where,
                          shown(*to.site) + " is " + list_of(*found) +
                              " in DNS, and the rule goes to " + list_of(configured),
                          "correct the one that is out of date");
  }

  std::vector<IpAddress> addresses_of(const Listener& listener) const {
    std::vector<IpAddress> all;
    if (const Interface* const nic = find_interface(machine_.interfaces, *listener.interface)) {
      all = listening_addresses(*nic);
    }
    for (const auto& address : listener.addresses) {
      all.push_back(*address);
      if (!address->is_unspecified()) continue;
      const auto own = own_addresses(machine_.interfaces);
      all.insert(all.end(), own.begin(), own.end());
    }
    return all;
  }

  void check_public_name(const Rule& rule, const Located<std::string>& name) {
    const Listener& listener = *listeners_.at(*rule.listener);
    const std::vector<IpAddress> listening = addresses_of(listener);
    const auto* const found = addresses_of(*name);
    if (found == nullptr) {
      if (std::ranges::all_of(listening, &IpAddress::is_loopback)) return;
      report_.findings.warning("public-name-unresolved", name.where,
                               answers_.find(*name)->second.error().detail,
                               "clients cannot find it: add an address record for the listener " +
                                   shown(*listener.name) + ", or correct the name");
    } else if (share_one(*found, listening)) {
      report_.well.push_back(*name + " is " + list_of(*found) + " in DNS, as the listener " +
                             shown(*listener.name) + " is");
    } else if (share_one(*found, reached(*rule.to))) {
      report_.findings.note(
          "public-name-is-site", name.where,
          shown(*name) + " is " + list_of(*found) + " in DNS: the site itself, past the proxy",
          "that is right for clients inside; what clients outside are told, a "
          "name server of the Internet knows:  --resolver IP");
    } else {
      report_.findings.note("public-name-elsewhere", name.where,
                            shown(*name) + " is " + list_of(*found) + " in DNS, and the listener " +
                                shown(*listener.name) + " has " + list_of(listening),
                            "correct the record, unless a router translates the one address to "
                            "the other");
    }
  }

  const settings::Settings& settings_;
  const Machine& machine_;
  const ProbeLoop::Answers& answers_;
  LiveReport& report_;
  std::map<std::string_view, const Listener*> listeners_;
  std::set<std::pair<std::string_view, std::string_view>> public_names_;  // with their listener
  std::set<std::string_view> hosts_;
  std::set<std::pair<std::string_view, std::string>> sites_;  // with the configured addresses
};

}  // namespace

std::string list_of(const std::vector<IpAddress>& addresses) {
  std::string text;
  for (const IpAddress& address : addresses) {
    text += (text.empty() ? "" : ", ") + address.to_string();
  }
  return text;
}

std::set<std::string> names_of(const settings::Settings& settings) {
  std::set<std::string> names;
  const auto add = [&names](const std::string& name) {
    if (is_name(name)) names.insert(name);
  };
  for (const Rule& rule : settings.rules) {
    if (!publishes(rule)) continue;
    add(*rule.to->site);
    for (const auto& address : rule.to->addresses) add(*address);
    for (const auto& name : rule.public_names) add(*name);
  }
  for (const settings::AddressRecord& record : settings.hosts) names.insert(*record.host);
  return names;
}

void check_names(const settings::Settings& settings, const Machine& machine,
                 const ProbeLoop::Answers& answers, LiveReport& report) {
  NameCheck(settings, machine, answers, report).run();
}

}  // namespace ocsproxy
