// What --replay prints.
#pragma once

#include <string>

#include "check/policy_file.h"
#include "check/replay.h"

namespace ocsproxy {

std::string replay_as_text(const ReplayResult& result, const PolicyFile& policy);
std::string replay_as_json(const ReplayResult& result, const PolicyFile& policy);

}  // namespace ocsproxy
