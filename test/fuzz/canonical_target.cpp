#include "rules/canonical_target.h"

#include <algorithm>
#include <string>

#include "base/text.h"
#include "test/fuzz/targets.h"

namespace ocsproxy::fuzz {
namespace {

using rules::CanonicalTarget;
using rules::TargetError;

void require_canonical(std::string_view path) {
  require(path.starts_with('/'), "a path begins with a slash");
  require(path.find("//") == std::string_view::npos, "slashes are merged");
  require(path.find("/./") == std::string_view::npos &&
              path.find("/../") == std::string_view::npos && !path.ends_with("/.") &&
              !path.ends_with("/.."),
          "dot segments are removed");
  for (std::size_t i = 0; i < path.size(); ++i) {
    require(path[i] > ' ' && path[i] <= '~' && path[i] != '\\' && path[i] != '#' && path[i] != '?',
            "no byte of a path could end it or be read as another");
    if (path[i] != '%') continue;
    require(i + 2 < path.size() && hex_value(path[i + 1]) >= 0 && hex_value(path[i + 2]) >= 0,
            "an escape has two digits");
    const int byte = hex_value(path[i + 1]) * 16 + hex_value(path[i + 2]);
    require(byte >= 0x20 && byte != 0x7f && byte != '/' && byte != '\\',
            "nothing dangerous is escaped");
    require(path[i + 1] < 'a' && path[i + 2] < 'a', "escapes are in capitals");
    require(!is_alpha(static_cast<char>(byte)) && !is_digit(static_cast<char>(byte)),
            "letters and digits are never escaped");
  }
}

}  // namespace

// The first byte chooses the scheme of the listener; the target follows.
void canonical_target(std::string_view input) {
  if (input.empty()) return;
  const bool https = (input[0] & 1) != 0;
  const std::string_view target = input.substr(1);
  std::string buffer(target.size() * 3 + 1, '\0');
  CanonicalTarget result;
  if (rules::canonicalize(target, https, buffer, result) != TargetError::none) return;
  require_canonical(result.path);
  require(result.query.empty() || result.query.front() == '?', "a query begins with its mark");
  require(target.ends_with(result.query), "the query goes on byte for byte");

  // What is forwarded is judged the same by whoever judges it next.
  const std::string forwarded = std::string(result.path) + std::string(result.query);
  std::string second_buffer(forwarded.size() * 3 + 1, '\0');
  CanonicalTarget second;
  require(rules::canonicalize(forwarded, https, second_buffer, second) == TargetError::none,
          "a canonical target is accepted");
  require(second.path == result.path && second.query == result.query,
          "a canonical target stays as it is");
  require(second.double_encoded <= result.double_encoded && second.high_bit <= result.high_bit,
          "a reservation is not found later");
  require(second.authority.empty(), "a canonical target is in origin-form");

  // An escape more or less in what the client sends changes nothing.
  if (target.front() == '/' && target.size() > 1 && is_alpha(target[1])) {
    char escaped_letter[4];
    std::snprintf(escaped_letter, sizeof escaped_letter, "%%%02x",
                  static_cast<unsigned char>(target[1]));
    const std::string other = "/" + std::string(escaped_letter) + std::string(target.substr(2));
    std::string third_buffer(other.size() * 3 + 1, '\0');
    CanonicalTarget third;
    require(rules::canonicalize(other, https, third_buffer, third) == TargetError::none &&
                third.path == result.path,
            "an escaped letter is that letter");
  }
}

}  // namespace ocsproxy::fuzz
