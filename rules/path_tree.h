// The fourth step of compiling a policy: for which path, by which method.
#pragma once

#include <vector>

#include "rules/compiled_policy.h"

namespace ocsproxy::rules {

// Sorts the records of `policy`, makes its nodes, its groups and the index over them, and completes
// `buckets`, which are by number.
void build_paths(CompiledPolicy& policy, std::vector<Bucket>& buckets);

}  // namespace ocsproxy::rules
