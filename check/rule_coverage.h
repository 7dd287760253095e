// Which rules of a policy can decide a request at all, and what takes it from those that cannot.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "rules/region.h"

namespace ocsproxy {

// What is known of one enabled rule.
struct RuleCoverage {
  enum class State : std::uint8_t {
    disabled,     // it is not in the policy
    no_clients,   // `from` without `except_from` is empty
    not_served,   // its clients may not use its listener
    no_requests,  // no request can have its names and paths
    covered,      // each of its requests is decided by one of `by`
    undecided,    // only regexes can tell, its own or those before it, and no request was found
    matches,      // it decides `witness`
  };
  State state = State::disabled;
  std::set<std::uint32_t> by;  // rules; rules::kNoRule: the implicit deny of a path's plain form
  std::optional<rules::Witness> witness;  // there with `matches`
};

// A rule that decides requests which a later one, with another action, also names. What a rule
// decides in the midst of what a later one names is an exception to that and not meant here.
struct PartCover {
  std::uint32_t rule = 0;        // the earlier one
  std::set<std::uint32_t> over;  // later ones, all of which match something
  rules::Witness witness;        // decided by `rule`, named by the first of `over`
};

struct PolicyCoverage {
  std::vector<RuleCoverage> rules;  // by rule
  std::vector<PartCover> parts;     // by rule
};

// For the first policy of the space.
PolicyCoverage examine_coverage(const rules::RequestSpace& space);

}  // namespace ocsproxy
