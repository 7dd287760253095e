// The canonical target once more, slow and obvious: whole-string passes that follow the rules one
// after the other. Says only whether a target is refused, not why: a target may have several
// faults.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ocsproxy::rules {

struct OracleTarget {
  std::string path;
  std::string query;
  bool double_encoded = false;
  bool high_bit = false;
};

// `target` in origin-form.
std::optional<OracleTarget> oracle_canonicalize(std::string_view target);

}  // namespace ocsproxy::rules
