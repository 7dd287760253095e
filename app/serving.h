// What the modes that serve have in common.
#pragma once

#include <string>

#include "base/log.h"
#include "listeners/control.h"

namespace ocsproxy {

// The load of the real program: what the loader refuses is all that the server would stumble over,
// so that a bad configuration never reaches it.
LoadFunction make_load(const std::string& configuration);

// Serves as one process, with what it may read and bind itself. Blocks the signals that it takes.
int serve_alone(const LoadFunction& load, const std::string& configuration, const Log& log);

}  // namespace ocsproxy
