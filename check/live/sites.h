// Is each site reached as the proxy would reach it: by TCP, and by TLS under the rule's trust?
#pragma once

#include <string>
#include <vector>

#include "check/configuration.h"
#include "check/live/live_report.h"
#include "check/live/probe_loop.h"
#include "check/machine.h"

namespace ocsproxy {

// Connects to every address of every site that an enabled rule allows to. `names` has an answer for
// each name of host_names.
void check_sites(const Configuration& configuration, const Machine& machine,
                 const ProbeLoop::Answers& names, ProbeLoop& loop, LiveReport& report);

}  // namespace ocsproxy
