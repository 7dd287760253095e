#include <algorithm>
#include <array>

#include "base/ip_address.h"
#include "base/text.h"
#include "rules/canonical_target.h"

namespace ocsproxy::rules {
namespace {

constexpr std::size_t kMaxName = 253;  // RFC 1035 3.1, in text without the last dot

// Narrower than RFC 3986's reg-name: an escape or a sub-delimiter in a host name is a trick, and a
// "*" would look like a rule's wildcard.
bool is_name_char(char c) { return is_alpha(c) || is_digit(c) || c == '-' || c == '_'; }

// Labels of name characters, none empty.
bool is_host_name(std::string_view name) {
  if (name.empty() || name.size() > kMaxName) return false;
  char last = '.';
  for (const char c : name) {
    if (c == '.' ? last == '.' : !is_name_char(c)) return false;
    last = c;
  }
  return last != '.';
}

// `text` is what follows the name: nothing, ":" or ":" and a port.
bool parse_port(std::string_view text, std::uint16_t& port) {
  port = 0;
  if (text.size() <= 1) return text.empty() || text == ":";
  if (text.front() != ':' || text.size() > 6) return false;
  std::uint32_t value = 0;
  for (const char c : text.substr(1)) {
    if (!is_digit(c)) return false;
    value = value * 10 + static_cast<std::uint32_t>(c - '0');
  }
  port = static_cast<std::uint16_t>(value);
  return value >= 1 && value <= 65535;
}

bool parse_bracketed(std::string_view text, std::span<char> buffer, Authority& result) {
  const auto close = text.find(']');
  if (close == std::string_view::npos || !parse_port(text.substr(close + 1), result.port)) {
    return false;
  }
  const auto address = IpAddress::parse(text.substr(1, close - 1));
  if (!address || address->is_v4()) return false;
  std::array<char, IpAddress::kTextSize> canonical{};
  const std::string_view name = address->write(canonical);
  if (name.size() > buffer.size()) return false;
  std::copy(name.begin(), name.end(), buffer.begin());
  result.name = {buffer.data(), name.size()};
  result.is_address = true;
  return true;
}

}  // namespace

bool parse_authority(std::string_view text, std::span<char> buffer, Authority& result) {
  result = {};
  if (text.starts_with('[')) return parse_bracketed(text, buffer, result);
  std::string_view name = text.substr(0, text.find(':'));
  if (!parse_port(text.substr(name.size()), result.port)) return false;
  if (name.ends_with('.')) name.remove_suffix(1);
  if (!is_host_name(name)) return false;
  if (std::any_of(name.begin(), name.end(), [](char c) { return to_lower(c) != c; })) {
    if (name.size() > buffer.size()) return false;
    std::transform(name.begin(), name.end(), buffer.begin(), to_lower);
    name = {buffer.data(), name.size()};
  }
  result.name = name;
  // Letters or a hyphen cannot be an IPv4 address; most names are settled by their last character.
  result.is_address = is_digit(name.back()) && IpAddress::parse(name).has_value();
  return true;
}

}  // namespace ocsproxy::rules
