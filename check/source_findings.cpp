#include <algorithm>
#include <string>
#include <unordered_set>

#include "check/policy_findings.h"
#include "settings/shown_text.h"

namespace ocsproxy {
namespace {

using rules::AddressSet;
using settings::Rule;
using settings::shown;
using settings::Source;

std::string networks_text(const settings::Listener& listener) {
  std::string text;
  for (const auto& name : listener.networks) text += (text.empty() ? "" : ", ") + shown(*name);
  return text;
}

void check_served(const Subject& subject, const Rule& rule, std::uint32_t number,
                  Findings& findings) {
  const settings::Listener& listener = subject.settings().listeners[number];
  const std::string serves =
      "the listener " + shown(*listener.name) + " serves " + networks_text(listener) + " alone";
  const auto is_served = [&](const Source& source) {
    return !(subject.addresses(source) & subject.served_by(number)).empty();
  };
  const bool any = std::ranges::any_of(rule.from, is_served);
  for (const Source& source : rule.from) {
    if (is_served(source)) continue;
    if (!any) {
      findings.warning("from-not-served", source.where,
                       "the rule can never match: " + serves + ", and the rule is for none of them",
                       "change  from  here, or  networks  of the listener");
      return;
    }
    findings.note("source-not-served", source.where,
                  "no request comes from " + shown(source.text) + ": " + serves,
                  "remove it, or add it to  networks  of the listener");
  }
}

void check_anywhere(const Subject& subject, const Rule& rule, std::uint32_t number,
                    Findings& findings) {
  if (*rule.action != settings::Action::allow) return;
  const AddressSet& external = *subject.networks().addresses(settings::kExternal);
  if ((subject.served_by(number) & external).empty()) return;
  for (const Source& source : rule.from) {
    if (source.range || source.text != settings::kAnywhere) continue;
    findings.warning(
        "from-anywhere", source.where,
        "\"Anywhere\" is the internal networks and this machine too, not the Internet "
        "alone",
        "write  from: [External], and the other networks by name where they are meant");
  }
}

void check_exceptions(const Subject& subject, const Rule& rule, Findings& findings) {
  AddressSet from = rule.from.empty() ? AddressSet::all() : AddressSet();
  for (const Source& source : rule.from) from = from | subject.addresses(source);
  for (const Source& source : rule.except_from) {
    if (!(subject.addresses(source) & from).empty()) continue;
    findings.note("exception-without-effect", source.where,
                  shown(source.text) + " is not in  from, so there is nothing to except",
                  "remove it, or mend what it was meant to be");
  }
}

// Does `wide`, a public name, stand for all that `narrow` does?
bool covers(std::string_view wide, std::string_view narrow) {
  if (wide == "*" || wide == narrow) return true;
  if (!wide.starts_with("*.") || narrow == "*" || IpAddress::parse(narrow)) return false;
  return narrow.size() > wide.size() - 1 && narrow.ends_with(wide.substr(1));
}

}  // namespace

void check_sources(const Subject& subject, const Rule& rule, Findings& findings) {
  if (const auto listener = subject.listener_of(rule)) {
    check_served(subject, rule, *listener, findings);
    check_anywhere(subject, rule, *listener, findings);
  }
  check_exceptions(subject, rule, findings);
}

void check_public_names(const Rule& rule, Findings& findings) {
  std::vector<std::string_view> wide;
  std::unordered_set<std::string_view> known;
  for (const auto& name : rule.public_names) {
    if (name->starts_with('*')) wide.push_back(*name);
  }
  for (const auto& name : rule.public_names) {
    const bool again = !known.insert(*name).second;
    const auto other = std::ranges::find_if(
        wide, [&](std::string_view one) { return one != *name && covers(one, *name); });
    if (again || other != wide.end()) {
      findings.note("public-name-covered", name.where,
                    shown(*name) + (again ? " is in the list twice"
                                          : " is among " + shown(*other) + " of the same list"),
                    "remove one of them");
    }
    if (*name == "*" && rule.to) {
      findings.note("any-public-name", name.where,
                    "the rule publishes the site under every name, and to whoever asks for the "
                    "bare address",
                    "list the names that clients use");
    }
  }
}

}  // namespace ocsproxy
