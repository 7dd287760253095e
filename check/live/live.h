// --check --live: what shows only when it is tried from the machine that is to serve. Ports are
// bound for a moment, names asked for in DNS, and sites connected to as the proxy would.
#pragma once

#include <string>

#include "check/configuration.h"
#include "check/live/live_report.h"
#include "check/machine.h"

namespace ocsproxy {

struct LiveOptions {
  std::string path;      // of the configuration: the running proxy is known by it
  std::string resolver;  // for Resolver::Options::servers; "": the system's
};

// `configuration` has no errors, and `machine` is this one. Findings are sorted. Blocks until each
// probe has ended or run into its deadline.
LiveReport check_live(const Configuration& configuration, const Machine& machine,
                      const LiveOptions& options);

}  // namespace ocsproxy
