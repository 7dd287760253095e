// All that a running server has counted.
#pragma once

#include <string>

#include "listeners/served.h"

namespace ocsproxy {

// In the text format of Prometheus.
std::string statistics_text(const Served& served);

}  // namespace ocsproxy
