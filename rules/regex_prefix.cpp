#include "rules/regex_prefix.h"

#include "base/text.h"

namespace ocsproxy::rules {
namespace {

constexpr std::string_view kMeta = "\\.+*?()[]{}^$|";

// The end of the character class that begins at `begin`; npos where that would be a guess.
std::size_t end_of_class(std::string_view pattern, std::size_t begin) {
  std::size_t at = begin + 1;
  if (pattern.substr(at).starts_with('^')) ++at;
  const std::size_t first = at;
  for (; at < pattern.size(); ++at) {
    if (pattern[at] == ']' && at != first) return at;
    if (pattern[at] == '[') break;  // a class by name?
    if (pattern[at] == '\\') ++at;
  }
  return std::string_view::npos;
}

// May the pattern as a whole be one of several? True also where reading on would be a guess.
bool has_alternatives(std::string_view pattern) {
  if (pattern.find('|') == std::string_view::npos) return false;
  int depth = 0;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    switch (pattern[i]) {
      case '\\':
        if (++i < pattern.size() && pattern[i] == 'Q') return true;
        break;
      case '[':
        i = end_of_class(pattern, i);
        if (i == std::string_view::npos) return true;
        break;
      case '(':
        ++depth;
        break;
      case ')':
        --depth;
        break;
      case '|':
        if (depth <= 0) return true;
        break;
      default:
        break;
    }
  }
  return false;
}

}  // namespace

SplitPattern split_pattern(std::string_view pattern) {
  // With alternatives the text before them is only one of several.
  if (has_alternatives(pattern)) return {{}, pattern};
  if (pattern.starts_with('^')) pattern.remove_prefix(1);
  std::string literal;
  std::string_view rest = pattern;
  std::string_view before_last = pattern;
  while (!rest.empty()) {
    const bool escaped = rest.size() > 1 && rest[0] == '\\';
    const char c = rest[escaped ? 1 : 0];
    if (escaped ? is_alpha(c) || is_digit(c) : kMeta.find(c) != std::string_view::npos) break;
    literal += to_lower(c);
    before_last = rest;
    rest.remove_prefix(escaped ? 2 : 1);
  }
  // What a repetition follows need not be there.
  if (!rest.empty() && std::string_view("*?+{").find(rest[0]) != std::string_view::npos &&
      !literal.empty()) {
    literal.pop_back();
    rest = before_last;
  }
  return {std::move(literal), rest};
}

std::string literal_directory(std::string_view pattern) {
  const std::string literal = split_pattern(pattern).literal;
  const auto slash = literal.rfind('/');
  return slash == std::string::npos || literal[0] != '/' ? std::string() : literal.substr(0, slash);
}

}  // namespace ocsproxy::rules
