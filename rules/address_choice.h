// Builds the AddressChoices of a policy: from "these entries, each with its set of addresses" to
// the form in which the first that holds an address is found without asking all of them.
#pragma once

#include <vector>

#include "rules/compiled_policy.h"

namespace ocsproxy::rules {

// `candidates` in order of entry. Adds to the arrays of `policy`, whose atoms and sets are final.
AddressChoice build_choice(CompiledPolicy& policy, const std::vector<SetChoice>& candidates);

}  // namespace ocsproxy::rules
