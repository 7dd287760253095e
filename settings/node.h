// One value of a configuration file, with the place where it stands.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/finding.h"

namespace ocsproxy::settings {

struct Node {
  enum class Kind : std::uint8_t {
    null,  // nothing, or ~
    scalar,
    sequence,
    map,
    broken,  // an error was reported in its place; whoever reads it says nothing more
  };
  Kind kind = Kind::null;
  bool quoted = false;  // scalar: in quotes or a block, so that it is text whatever it looks like
  Location where;
  std::string text;                        // scalar
  std::vector<Located<std::string>> keys;  // map: as many as `items`, no two alike
  std::vector<Node> items;                 // sequence: the elements; map: the values
};

}  // namespace ocsproxy::settings
