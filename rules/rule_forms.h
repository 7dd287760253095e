// What the names and paths of a rule mean: the one reading of them that the compiler builds its
// arrays from and that a trace goes by.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "settings/settings.h"

namespace ocsproxy::rules {

// How a path is matched.
enum class Way : std::uint8_t {
  exact,   // it is the text
  prefix,  // it is the text, or begins with the text and a "/"
  regex,   // it matches the text as a whole
};

struct PathForm {
  Way way = Way::exact;
  std::string_view text;  // into `path`; case does not matter
};
PathForm form_of(const settings::Rule& rule, const settings::Path& path);

enum class NameKind : std::uint8_t { exact, wildcard };  // wildcard: the text after "*."

struct NameForm {
  NameKind kind = NameKind::exact;
  std::string text;  // lower case; "*" for any; an address as IpAddress::to_string writes it
};
NameForm form_of_name(std::string_view public_name);

// A name under which clients know what an allow rule publishes: the first that it lists, "www" for
// a wildcard's label, the site's own where any name will do.
std::string typical_name(const settings::Rule& rule);

// Can "*.…" stand for this name of a request? "*.2.3.4" is no name of 1.2.3.4: an address matches
// only where it is listed.
bool may_match_wildcard(std::string_view name);

}  // namespace ocsproxy::rules
