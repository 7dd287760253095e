// Which internal URLs which clients reach: the rules' regions seen from the other side, through
// their path mappings.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "rules/address_set.h"
#include "rules/region.h"

namespace ocsproxy::rules {

// One claim about the policy.
struct ReachProof {
  enum class Outcome : std::uint8_t {
    holds,
    violated,
    undecided,  // a regex decides
  };
  Outcome outcome = Outcome::holds;
  // Violated "never": the request and the rule that allows it. Undecided "never": one that may.
  std::optional<Witness> request;
  std::uint32_t rule = kNoRule;
  // "always" that does not hold: who does not reach which path of the site.
  std::optional<IpAddress> client;
  std::string internal_path;
};

// By claim, for the policy of a space with one.
std::vector<ReachProof> prove_reaches(const RequestSpace& space,
                                      const std::vector<settings::Reach>& reaches);

}  // namespace ocsproxy::rules
