#include "settings/cross_checks.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "base/text.h"
#include "settings/shown_text.h"

namespace ocsproxy::settings {
namespace {

std::string place(Location where, const Sources& sources) {
  return sources.path(where.file) + ':' + std::to_string(where.line);
}

// --- names ---

// Names that could be told from each other by case alone are refused: people do not see it.
template <typename Things>
void check_unique(const Things& things, std::string_view kind, std::string_view mend,
                  Reading& reading) {
  std::unordered_map<std::string, Location> first;
  for (const auto& thing : things) {
    if (thing.name->empty()) continue;
    const auto [known, is_new] = first.emplace(lower(*thing.name), thing.name.where);
    if (is_new) continue;
    reading.findings.error("name-twice", thing.name.where,
                           std::string("a second ").append(kind).append(" is called ") +
                               shown(*thing.name) + "; the first is in " +
                               place(known->second, reading.sources),
                           std::string(mend));
  }
}

// The names of one kind that can be referred to.
class KnownNames {
 public:
  KnownNames(std::string_view kind, ErrorCode code, Findings& findings)
      : kind_(kind), code_(code), findings_(findings) {}

  void add(std::string_view name) {
    if (!name.empty() && known_.insert(name).second) list_.push_back(name);
  }

  void require(std::string_view name, Location where) {
    if (name.empty() || known_.contains(name)) return;
    findings_.error(code_, where, shown(name).append(" is no ").append(kind_), mend_for(name));
  }

 private:
  // Looking for the nearest name costs a walk through all of them, so each wrong name is looked for
  // once, and nobody needs thousands of suggestions.
  static constexpr std::size_t kMostSuggestions = 100;
  static constexpr std::size_t kMostShown = 5;

  std::string mend_for(std::string_view name) {
    const auto known = mends_.find(name);
    if (known != mends_.end()) return known->second;
    if (mends_.size() == kMostSuggestions) return {};
    const std::string_view near = nearest_word(name, list_);
    return mends_[name] = near.empty() ? all_text() : "did you mean " + shown(near) + "?";
  }

  std::string all_text() const {
    if (list_.empty()) return std::string("there is no ").append(kind_).append(" at all");
    if (list_.size() > kMostShown) return {};
    std::string text = "known are ";
    for (std::size_t i = 0; i < list_.size(); ++i) {
      if (i != 0) text += i + 1 == list_.size() ? " and " : ", ";
      text += shown(list_[i]);
    }
    return list_.size() == 1 ? "the only one is " + shown(list_.front()) : text;
  }

  const std::string_view kind_;
  const ErrorCode code_;
  Findings& findings_;
  std::set<std::string_view> known_;
  std::vector<std::string_view> list_;
  std::map<std::string_view, std::string> mends_;
};

void check_references(Reading& reading) {
  const Settings& settings = reading.settings;
  KnownNames networks("network", "unknown-network", reading.findings);
  KnownNames listeners("listener", "unknown-listener", reading.findings);
  const auto require_network = [&](std::string_view name, Location where) {
    if (reading.complete.networks) networks.require(name, where);
  };
  for (const std::string_view name : {kExternal, kLocalHost, kAnywhere}) networks.add(name);
  for (const Network& network : settings.networks) networks.add(*network.name);
  for (const Listener& listener : settings.listeners) {
    listeners.add(*listener.name);
    for (const auto& name : listener.networks) require_network(*name, name.where);
  }
  const auto require_listener = [&](const Located<std::string>& name) {
    if (reading.complete.listeners) listeners.require(*name, name.where);
  };
  for (const Rule& rule : settings.rules) {
    require_listener(rule.listener);
    for (const auto* sources : {&rule.from, &rule.except_from}) {
      for (const Source& source : *sources) {
        if (!source.range) require_network(source.text, source.where);
      }
    }
  }
  for (const Reach& reach : settings.reaches) {
    for (const Source& source : reach.from) {
      if (!source.range) require_network(source.text, source.where);
    }
  }
  KnownNames filters("HTTP filter", "unknown-filter", reading.findings);
  for (const HttpFilter& filter : settings.http_filters) filters.add(*filter.name);
  for (const Rule& rule : settings.rules) {
    if (reading.complete.http_filters) filters.require(*rule.http_filter, rule.http_filter.where);
  }
  for (const FloodException& exception : settings.flood_mitigation.exceptions) {
    for (const Source& source : exception.from) {
      if (!source.range) require_network(source.text, source.where);
    }
  }
  KnownNames rules("rule", "unknown-rule", reading.findings);
  for (const Rule& rule : settings.rules) rules.add(*rule.name);
  for (const Example& example : settings.examples) {
    require_listener(example.listener);
    if (reading.complete.rules) rules.require(*example.rule, example.rule.where);
  }
}

// --- networks ---

struct OwnedRange {
  AddressRange range;
  Location where;
  const Network* network;
};

void report_overlap(const OwnedRange& a, const OwnedRange& b, Reading& reading) {
  const auto order = [](const OwnedRange& one) {
    return std::tuple(one.where.file, one.where.line, one.where.column);
  };
  const OwnedRange& first = order(a) < order(b) ? a : b;
  const OwnedRange& second = order(a) < order(b) ? b : a;
  reading.findings.error("networks-overlap", second.where,
                         second.range.to_string() + " of " + shown(*second.network->name) +
                             " overlaps " + first.range.to_string() + " of " +
                             shown(*first.network->name) + " in " +
                             place(first.where, reading.sources),
                         "an address belongs to one network; split the larger range");
}

// Each range against the one that reaches furthest of those that begin before it. Where several
// overlap at once not every pair is named, but none goes unnoticed.
void check_overlaps(Reading& reading) {
  std::vector<OwnedRange> ranges;
  for (const Network& network : reading.settings.networks) {
    for (const auto& range : network.ranges) ranges.push_back({*range, range.where, &network});
  }
  std::ranges::stable_sort(ranges, [](const OwnedRange& a, const OwnedRange& b) {
    return std::pair(a.range.first.is_v4(), a.range) < std::pair(b.range.first.is_v4(), b.range);
  });
  const OwnedRange* furthest = nullptr;
  for (const OwnedRange& range : ranges) {
    if (furthest != nullptr && furthest->range.overlaps(range.range)) {
      if (*furthest->network->name != *range.network->name) {
        report_overlap(*furthest, range, reading);
      }
      if (range.range.last <= furthest->range.last) continue;
    }
    furthest = &range;
  }
}

// --- listeners ---

// Where a listener will listen. Which addresses an interface has is not known here.
struct Place {
  std::string interface;
  IpAddress address;
  std::uint16_t port = 0;
  Location where;
  const Listener* listener = nullptr;

  std::string text() const {
    if (!interface.empty()) return "port " + std::to_string(port) + " of " + interface;
    const std::string ip = address.to_string();
    return (address.is_v4() ? ip : '[' + ip + ']') + ':' + std::to_string(port);
  }
};

bool collide(const Place& a, const Place& b) {
  if (a.port != b.port || a.interface != b.interface) return false;
  if (a.address == b.address) return true;
  return a.address.is_v4() == b.address.is_v4() &&
         (a.address.is_unspecified() || b.address.is_unspecified());
}

class Places {
 public:
  explicit Places(Reading& reading) : reading_(reading) {}

  void add(Place place) {
    auto& others = by_port_[place.port];
    const auto taken = std::ranges::find_if(
        others, [&place](const Place& other) { return collide(place, other); });
    if (taken == others.end()) {
      others.push_back(std::move(place));
      return;
    }
    const bool same = taken->listener == place.listener;
    reading_.findings.error(
        "endpoint-twice", place.where,
        place.text() + " is taken by " +
            (same ? "the same listener" : "listener " + shown(*taken->listener->name)) +
            " already" + (taken->address == place.address ? "" : ", as " + taken->text()),
        "an address and port can belong to one listener, and to either http or https");
  }

 private:
  Reading& reading_;
  std::map<std::uint16_t, std::vector<Place>> by_port_;
};

void check_endpoints(Reading& reading) {
  Places places(reading);
  for (const Listener& listener : reading.settings.listeners) {
    std::vector<std::uint16_t> ports;
    if (listener.http) ports.push_back(*listener.http->port);
    if (listener.https) ports.push_back(*listener.https->port);
    for (const std::uint16_t port : ports) {
      for (const auto& address : listener.addresses) {
        places.add({{}, *address, port, address.where, &listener});
      }
      if (!listener.interface->empty()) {
        places.add({*listener.interface, {}, port, listener.interface.where, &listener});
      }
    }
  }
}

// --- what is missing ---

bool needs_roots(const Rule& rule) {
  return rule.enabled && rule.to && *rule.bridging == Bridging::https;
}

void check_missing(Reading& reading) {
  const Settings& settings = reading.settings;
  Findings& findings = reading.findings;
  if (settings.listeners.empty() && reading.complete.listeners) {
    findings.error("no-listener", {}, "the configuration has no listener, so it serves nobody",
                   "under the key \"listeners\" stand the addresses and certificates");
  }
  if (settings.rules.empty() && reading.complete.rules) {
    findings.warning("no-rules", {}, "the configuration has no rule, so every request is denied",
                     "under the key \"rules\" stands what is published");
  }
  const auto needy = std::ranges::find_if(settings.rules, needs_roots);
  if (settings.trusted_roots.empty() && reading.complete.trusted_roots &&
      needy != settings.rules.end()) {
    findings.error("no-trusted-roots", needy->to->where,
                   "without \"trusted_roots\" no certificate of an internal site can be verified",
                   "at the top of a file:  trusted_roots: [certs/internal-root.pem]");
  }
}

// --- filters ---

// Which of the filters a rule's name means. Names compare as they are written.
void find_filters(Settings& settings) {
  std::unordered_map<std::string_view, std::uint32_t> by_name;
  for (std::uint32_t i = 0; i < settings.http_filters.size(); ++i) {
    by_name.try_emplace(*settings.http_filters[i].name, i);
  }
  for (Rule& rule : settings.rules) {
    if (rule.http_filter->empty()) continue;
    const auto found = by_name.find(*rule.http_filter);
    if (found != by_name.end()) rule.filter = found->second;
  }
}

}  // namespace

void check_whole(Reading& reading) {
  const Settings& settings = reading.settings;
  find_filters(reading.settings);
  check_unique(settings.networks, "network", "give all its ranges in one list", reading);
  check_unique(settings.listeners, "listener", "give each its own name", reading);
  check_unique(settings.rules, "rule", "give each its own name", reading);
  check_unique(settings.http_filters, "HTTP filter", "give each its own name", reading);
  check_overlaps(reading);
  check_endpoints(reading);
  check_references(reading);
  check_missing(reading);
}

}  // namespace ocsproxy::settings
