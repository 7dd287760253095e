// What `--lab` prints: commands to try.
#pragma once

#include <string>

#include "settings/settings.h"

namespace ocsproxy::lab {

// curl commands for a request that the configuration allows, one that it denies, and one that logs
// in, as far as it has them. `authority`: the file of the lab's root CA.
std::string instructions_for(const settings::Settings& settings, const std::string& authority);

}  // namespace ocsproxy::lab
