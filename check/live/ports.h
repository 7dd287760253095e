// Can each address and port be had, or who has it?
#pragma once

#include <string>

#include "check/live/live_report.h"
#include "check/machine.h"
#include "settings/settings.h"

namespace ocsproxy {

// `path` is that of the configuration: an ocsproxy that was started with it may hold its ports.
void check_ports(const settings::Settings& settings, const Machine& machine,
                 const std::string& path, LiveReport& report);

}  // namespace ocsproxy
