// What --diff prints.
#pragma once

#include <string>

#include "check/policy_diff.h"
#include "check/policy_file.h"

namespace ocsproxy {

// `space` is that of both policies, which `diff` was made of.
std::string diff_as_text(const PolicyDiff& diff, const rules::RequestSpace& space,
                         const PolicyFile& before, const PolicyFile& now);
std::string diff_as_json(const PolicyDiff& diff, const rules::RequestSpace& space,
                         const PolicyFile& before, const PolicyFile& now);

}  // namespace ocsproxy
