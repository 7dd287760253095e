#include "rules/regex_prefix.h"

#include "base/text.h"

namespace ocsproxy::rules {
namespace {

constexpr std::string_view kMeta = "\\.+*?()[]{}^$|";

}  // namespace

std::string literal_prefix(std::string_view pattern) {
  // An alternative anywhere may mean that the text before it is only one of several.
  if (pattern.find('|') != std::string_view::npos) return {};
  if (pattern.starts_with('^')) pattern.remove_prefix(1);
  std::string literal;
  while (!pattern.empty()) {
    const bool escaped = pattern.size() > 1 && pattern[0] == '\\';
    const char c = pattern[escaped ? 1 : 0];
    if (escaped ? is_alpha(c) || is_digit(c) : kMeta.find(c) != std::string_view::npos) break;
    literal += to_lower(c);
    pattern.remove_prefix(escaped ? 2 : 1);
  }
  // What a repetition follows need not be there.
  if (!pattern.empty() && std::string_view("*?+{").find(pattern[0]) != std::string_view::npos &&
      !literal.empty()) {
    literal.pop_back();
  }
  return literal;
}

std::string literal_directory(std::string_view pattern) {
  const std::string literal = literal_prefix(pattern);
  const auto slash = literal.rfind('/');
  return slash == std::string::npos || literal[0] != '/' ? std::string() : literal.substr(0, slash);
}

}  // namespace ocsproxy::rules
