// Paths that a regex matches, found by reading its text: what a claim about a regex is shown with.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include <re2/re2.h>

#include "rules/compiled_policy.h"

namespace ocsproxy::rules {

// Canonical paths that `regex` matches as a whole: a few, not all. None: nothing was found, which
// proves nothing. Pure.
std::vector<std::string> example_paths(const re2::RE2& regex);

// The same for the regexes of a policy, which outlives this; each is read once.
class RegexExamples {
 public:
  explicit RegexExamples(const CompiledPolicy& policy) : policy_(policy) {}
  // `regex`: index into CompiledPolicy::regexes.
  const std::vector<std::string>& of(std::uint32_t regex);

 private:
  const CompiledPolicy& policy_;
  std::unordered_map<std::uint32_t, std::vector<std::string>> known_;
};

}  // namespace ocsproxy::rules
