#include "lab/instructions.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "base/ip_address.h"
#include "base/text.h"

namespace ocsproxy::lab {
namespace {

// In single quotes where the shell would see more than a word.
std::string shell_word(std::string_view text) {
  const bool plain = std::ranges::all_of(text, [](char c) {
    return is_alpha(c) || is_digit(c) ||
           std::string_view("/._-:=+,@%").find(c) != std::string::npos;
  });
  if (plain && !text.empty()) return std::string(text);
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + '\'';
}

bool covers(const settings::Path& path, std::string_view target) {
  switch (path.kind) {
    case settings::Path::Kind::prefix:
      return istarts_with(target, path.external) &&
             (target.size() == path.external.size() || target[path.external.size()] == '/');
    case settings::Path::Kind::exact:
      return iequals(target, path.external);
    case settings::Path::Kind::regex:
      return false;  // only the compiled rule knows
  }
  return false;
}

bool covers(const settings::Rule& rule, std::string_view target) {
  return std::ranges::any_of(rule.paths, [&](const auto& path) { return covers(path, target); });
}

// A rule that serves clients, and how curl comes to it.
struct Way {
  const settings::Rule* rule = nullptr;
  const settings::Listener* listener = nullptr;
  std::string name;
  std::string address;

  std::string url(std::string_view target) const {
    return "https://" + name + ':' + std::to_string(*listener->https->port) + std::string(target);
  }
  std::string command(const std::string& authority, std::string_view more,
                      std::string_view target) const {
    const std::string port = std::to_string(*listener->https->port);
    std::string text = "  curl -i --cacert " + shell_word(authority);
    if (!IpAddress::parse(name)) text += " --resolve " + name + ':' + port + ':' + address;
    text += more;
    return text + " \\\n    " + shell_word(url(target)) + "\n";
  }
};

std::string address_text(const settings::Listener& listener) {
  if (listener.addresses.empty()) return "127.0.0.1";
  const IpAddress& address = *listener.addresses.front();
  if (address.is_unspecified()) return address.is_v4() ? "127.0.0.1" : "[::1]";
  return address.is_v4() ? address.to_string() : '[' + address.to_string() + ']';
}

std::optional<Way> first_way(const settings::Settings& settings) {
  for (const auto& rule : settings.rules) {
    if (!rule.enabled || *rule.action != settings::Action::allow) continue;
    const auto listener = std::ranges::find_if(
        settings.listeners, [&](const auto& each) { return *each.name == *rule.listener; });
    if (listener == settings.listeners.end() || !listener->https) continue;
    for (const auto& public_name : rule.public_names) {
      std::string name = *public_name == "*" ? "localhost" : *public_name;
      if (name.starts_with("*.")) name = "www" + name.substr(1);
      return Way{&rule, &*listener, std::move(name), address_text(*listener)};
    }
  }
  return std::nullopt;
}

bool names(const settings::Rule& rule, std::string_view name) {
  return rule.public_names.empty() || std::ranges::any_of(rule.public_names, [&](const auto& each) {
           return *each == "*" || *each == name ||
                  (each->starts_with("*.") && name.ends_with(std::string_view(*each).substr(1)));
         });
}

// The first rule for this listener, name and path; good enough to choose examples, where the
// compiled rules decide.
const settings::Rule* rule_for(const settings::Settings& settings, const Way& way,
                               std::string_view target) {
  const auto found = std::ranges::find_if(settings.rules, [&](const settings::Rule& rule) {
    return rule.enabled && (rule.listener->empty() || *rule.listener == *way.listener->name) &&
           names(rule, way.name) && covers(rule, target);
  });
  return found == settings.rules.end() ? nullptr : &*found;
}

}  // namespace

std::string instructions_for(const settings::Settings& settings, const std::string& authority) {
  const auto way = first_way(settings);
  if (!way) return "The lab's pool runs, but no rule publishes it over HTTPS.\n";
  std::string text = "The lab is ready. Try, in another terminal:\n";
  const auto add = [&](std::string_view what, std::string_view more, std::string_view target) {
    text += "\n" + std::string(what) + "\n" + way->command(authority, more, target);
  };

  const auto open = [&](std::string_view target) {
    const settings::Rule* const rule = rule_for(settings, *way, target);
    return rule != nullptr && *rule->action == settings::Action::allow;
  };
  static constexpr std::array<std::string_view, 3> kAnonymous = {"/Conf/Ext/Tshoot.html",
                                                                 "/lab/page", "/etc/place/null"};
  const auto* const anonymous = std::ranges::find_if(kAnonymous, open);
  if (anonymous != kAnonymous.end()) add("Allowed, 200:", "", *anonymous);

  static constexpr std::array<std::string_view, 3> kClosed = {
      "/ABS/Int/Handler", "/GroupExpansion/Int/service.asmx", "/lab/counters"};
  const auto* const closed = std::ranges::find_if_not(kClosed, open);
  if (closed != kClosed.end()) {
    add("Denied, 403 with the code 12202:", "", *closed);
  }

  static constexpr std::array<std::string_view, 2> kLogin = {"/ABS/Ext/Handler",
                                                             "/GroupExpansion/Ext/service.asmx"};
  const auto* const login = std::ranges::find_if(kLogin, open);
  if (login != kLogin.end() && *way->rule->delegation == settings::Delegation::client) {
    add("Logs in at the pool with NTLM, 401 and then 200:", " --ntlm -u 'CONTOSO\\alice:password'",
        *login);
  }
  return text + "\n";
}

}  // namespace ocsproxy::lab
