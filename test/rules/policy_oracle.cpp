#include "policy_oracle.h"

#include <algorithm>

#include <re2/re2.h>

#include "base/text.h"

namespace ocsproxy::rules {
namespace {

using settings::Path;
using settings::Rule;
using settings::Settings;

bool names_address(const settings::Network& network, const IpAddress& address) {
  return std::any_of(network.ranges.begin(), network.ranges.end(),
                     [&](const auto& range) { return range->contains(address); });
}

struct Oracle {
  const Settings& settings;
  std::span<const IpAddress> own;
  const Asked& asked;

  bool is_in(const settings::Source& source) const {
    if (source.range) return source.range->contains(asked.client);
    return source.text == "Anywhere" || source.text == oracle_network(settings, own, asked.client);
  }

  bool is_in_any(const std::vector<settings::Source>& sources) const {
    return std::any_of(sources.begin(), sources.end(),
                       [this](const auto& source) { return is_in(source); });
  }

  bool fits_name(const std::string& name) const {
    if (name == "*") return true;
    if (asked.name.empty()) return false;
    if (!name.starts_with("*.")) return asked.name == name;
    if (IpAddress::parse(asked.name)) return false;
    const std::string ending = name.substr(1);
    return asked.name.size() > ending.size() && asked.name.ends_with(ending);
  }

  bool fits_path(const Rule& rule, const Path& path, const std::string& asked_path) const {
    const std::string text = lower(asked_path);
    const std::string external = lower(path.external);
    if (path.kind == Path::Kind::regex) {
      return re2::RE2::FullMatch(asked_path, "(?i)(?:" + path.external + ")");
    }
    if (path.kind == Path::Kind::prefix) {
      return text == external || text.starts_with(external + "/");
    }
    if (text == external) return true;
    if (*rule.action == settings::Action::allow || external == "/") return false;
    const std::string file =
        external.ends_with('/') ? external.substr(0, external.size() - 1) : external;
    return text == file || text.starts_with(file + "/");
  }

  RuleTrace trace(const Rule& rule, const std::string& path) const {
    if (!rule.enabled) return {Condition::enabled};
    const std::string& listener = settings.listeners[asked.listener].name.value;
    if (!rule.listener->empty() && *rule.listener != listener) return {Condition::listener};
    if (!rule.from.empty() && !is_in_any(rule.from)) return {Condition::from};
    if (is_in_any(rule.except_from)) return {Condition::from};
    const auto& names = rule.public_names;
    if (!names.empty() && std::none_of(names.begin(), names.end(),
                                       [this](const auto& name) { return fits_name(*name); })) {
      return {Condition::public_name};
    }
    const auto fitting = std::find_if(rule.paths.begin(), rule.paths.end(),
                                      [&](const Path& one) { return fits_path(rule, one, path); });
    if (fitting == rule.paths.end()) return {Condition::path};
    if (std::none_of(rule.methods.begin(), rule.methods.end(), [this](const auto& method) {
          return *method == "*" || *method == asked.method;
        })) {
      return {Condition::method};
    }
    return {Condition::none, static_cast<std::uint32_t>(fitting - rule.paths.begin())};
  }

  Decision judge(const std::string& path) const {
    for (std::size_t i = 0; i < settings.rules.size(); ++i) {
      const Rule& rule = settings.rules[i];
      const RuleTrace traced = trace(rule, path);
      if (traced.failed != Condition::none) continue;
      const bool allows = *rule.action == settings::Action::allow;
      const bool redirects = !rule.redirect->empty();
      return {allows      ? Verdict::allow
              : redirects ? Verdict::redirect
                          : Verdict::deny,
              static_cast<std::uint32_t>(i), traced.path};
    }
    return {};
  }
};

std::string without_parameters(const std::string& path) {
  std::string result = path;
  re2::RE2::GlobalReplace(&result, ";[^/]*", "");
  re2::RE2::GlobalReplace(&result, "/+", "/");
  return result;
}

}  // namespace

std::string oracle_network(const Settings& settings, std::span<const IpAddress> own,
                           const IpAddress& address) {
  if (!address.is_loopback() && std::find(own.begin(), own.end(), address) != own.end()) {
    return "Local Host";
  }
  for (const auto& network : settings.networks) {
    if (names_address(network, address)) return *network.name;
  }
  return address.is_loopback() ? "Local Host" : "External";
}

bool oracle_serves(const Settings& settings, std::span<const IpAddress> own, std::uint32_t listener,
                   const IpAddress& address) {
  const std::string network = oracle_network(settings, own, address);
  const auto& served = settings.listeners[listener].networks;
  return std::any_of(served.begin(), served.end(),
                     [&](const auto& name) { return *name == "Anywhere" || *name == network; });
}

std::vector<RuleTrace> oracle_trace(const Settings& settings, std::span<const IpAddress> own,
                                    const Asked& asked) {
  std::vector<RuleTrace> traces;
  for (const Rule& rule : settings.rules) {
    traces.push_back(Oracle{settings, own, asked}.trace(rule, asked.path));
  }
  return traces;
}

Decision oracle_decide(const Settings& settings, std::span<const IpAddress> own,
                       const Asked& asked) {
  const Oracle oracle{settings, own, asked};
  const Decision as_sent = oracle.judge(asked.path);
  if (as_sent.verdict != Verdict::allow) return as_sent;
  const Decision stripped = oracle.judge(without_parameters(asked.path));
  return stripped.verdict == Verdict::allow ? as_sent : stripped;
}

}  // namespace ocsproxy::rules
