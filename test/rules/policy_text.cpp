#include "policy_text.h"

#include <sstream>
#include <stdexcept>

namespace ocsproxy::rules {
namespace {

using settings::Path;
using settings::Rule;

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

settings::Source parse_source(const std::string& text) {
  settings::Source source;
  source.text = text == "Local_Host" ? "Local Host" : text;
  source.range = AddressRange::parse(text);
  return source;
}

Path parse_path(const std::string& text) {
  Path path;
  if (text.starts_with('~')) {
    path.kind = Path::Kind::regex;
    path.external = text.substr(1);
    return path;
  }
  std::vector<std::string> sides = split(text, '>');
  path.kind = sides[0].ends_with("/*") ? Path::Kind::prefix : Path::Kind::exact;
  for (std::string& side : sides) {
    if (path.kind == Path::Kind::prefix) side.resize(side.size() - 2);
  }
  path.external = sides.front();
  path.internal = sides.back();
  return path;
}

void parse_action(Rule& rule, const std::string& word) {
  const bool allow = word == "allow";
  rule.action.value = allow ? settings::Action::allow : settings::Action::deny;
  if (allow) rule.from = {parse_source("Anywhere")};
  if (allow) rule.listener.value = "web";
  if (word == "redirect") rule.redirect.value = "https://elsewhere.test/";
}

}  // namespace

Rule parse_rule(std::string_view text) {
  std::istringstream words{std::string(text)};
  std::string word;
  Rule rule;
  while (words >> word) {
    const auto list = [&] {
      words >> word;
      return split(word, ',');
    };
    if (word == "disabled") {
      rule.enabled = false;
    } else if (word == "allow" || word == "deny" || word == "redirect") {
      parse_action(rule, word);
    } else if (word == "web" || word == "intranet") {
      rule.listener.value = word;
    } else if (word == "from") {
      rule.from.clear();
      for (const auto& source : list()) rule.from.push_back(parse_source(source));
    } else if (word == "except") {
      for (const auto& source : list()) rule.except_from.push_back(parse_source(source));
    } else if (word == "names") {
      for (const auto& name : list()) rule.public_names.push_back({name, {}});
    } else if (word == "paths") {
      for (const auto& path : list()) rule.paths.push_back(parse_path(path));
    } else if (word == "methods") {
      for (const auto& method : list()) rule.methods.push_back({method, {}});
    } else {
      throw std::invalid_argument("no word of a rule: " + word);
    }
  }
  if (rule.paths.empty()) rule.paths.push_back(parse_path("/*"));
  if (rule.methods.empty()) rule.methods.push_back({"*", {}});
  return rule;
}

settings::Settings make_settings(const std::vector<std::string>& rules) {
  settings::Settings settings;
  const auto add_network = [&](const char* name, const char* v4, const char* v6) {
    settings::Network& network = settings.networks.emplace_back();
    network.name.value = name;
    network.ranges.push_back({AddressRange::parse(v4).value(), {}});
    network.ranges.push_back({AddressRange::parse(v6).value(), {}});
  };
  add_network("Internal", "10.0.0.0/8", "fd00::/8");
  add_network("Perimeter", "172.16.0.0/12", "2001:db8:1::/48");
  const auto add_listener = [&](const char* name, std::vector<std::string> networks) {
    settings::Listener& listener = settings.listeners.emplace_back();
    listener.name.value = name;
    for (std::string& network : networks) listener.networks.push_back({std::move(network), {}});
  };
  add_listener("web", {"External", "Perimeter"});
  add_listener("intranet", {"Internal"});
  for (const std::string& rule : rules) settings.rules.push_back(parse_rule(rule));
  return settings;
}

std::vector<IpAddress> own_addresses() {
  return {IpAddress::parse("203.0.113.1").value(), IpAddress::parse("10.0.0.1").value()};
}

Asked parse_request(std::string_view text) {
  std::istringstream words{std::string(text)};
  Asked asked;
  std::string target, client, listener;
  words >> asked.method >> target >> client >> listener;
  const auto slash = target.find('/');
  asked.name = target.substr(0, slash);
  if (asked.name == "-") asked.name.clear();
  asked.path = target.substr(slash);
  asked.client = IpAddress::parse(client).value();
  asked.listener = listener == "intranet" ? 1 : 0;
  return asked;
}

std::string to_text(const Decision& decision) {
  if (decision.rule == kNoRule) return decision.verdict == Verdict::deny ? "no rule" : "nonsense";
  const char* const verdict = decision.verdict == Verdict::allow  ? "allow "
                              : decision.verdict == Verdict::deny ? "deny "
                                                                  : "redirect ";
  return verdict + std::to_string(decision.rule) +
         (decision.path == 0 ? "" : '.' + std::to_string(decision.path));
}

}  // namespace ocsproxy::rules
