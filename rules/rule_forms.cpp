#include "rules/rule_forms.h"

#include "base/ip_address.h"
#include "base/text.h"

namespace ocsproxy::rules {

PathForm form_of(const settings::Rule& rule, const settings::Path& path) {
  switch (path.kind) {
    case settings::Path::Kind::regex:
      return {Way::regex, path.external};
    case settings::Path::Kind::prefix:
      return {Way::prefix, path.external};
    case settings::Path::Kind::exact:
      break;
  }
  std::string_view file = path.external;
  if (*rule.action == settings::Action::allow || file.size() <= 1) return {Way::exact, file};
  // A deny of a file also denies what an origin may take for it: "/file/" and "/file/more".
  if (file.ends_with('/')) file.remove_suffix(1);
  return {Way::prefix, file};
}

NameForm form_of_name(std::string_view public_name) {
  if (public_name.starts_with("*.")) return {NameKind::wildcard, lower(public_name.substr(2))};
  std::string_view bare = public_name;
  if (bare.starts_with('[') && bare.ends_with(']')) bare = bare.substr(1, bare.size() - 2);
  // As parse_authority writes it, so that each spelling of an address is the same name.
  if (const auto address = IpAddress::parse(bare)) return {NameKind::exact, address->to_string()};
  return {NameKind::exact, lower(public_name)};
}

std::string typical_name(const settings::Rule& rule) {
  if (rule.public_names.empty() || *rule.public_names.front() == "*") return *rule.to->site;
  const std::string& name = *rule.public_names.front();
  return name.starts_with('*') ? "www" + name.substr(1) : name;
}

// Only what ends in a digit or has a colon can be an address: most names are settled by a look.
bool may_match_wildcard(std::string_view name) {
  const bool looks_like_one = is_digit(name.back()) || name.find(':') != std::string_view::npos;
  return !looks_like_one || !IpAddress::parse(name).has_value();
}

}  // namespace ocsproxy::rules
