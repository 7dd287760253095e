// What DNS says of the names in a configuration: public ones against the listeners, internal ones
// against `address`.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "check/live/live_report.h"
#include "check/live/probe_loop.h"
#include "check/machine.h"
#include "settings/settings.h"

namespace ocsproxy {

// "192.0.2.1, 192.0.2.2"
std::string list_of(const std::vector<IpAddress>& addresses);

// The names that the enabled rules depend on, and those that `dns` says must have addresses.
std::set<std::string> names_of(const settings::Settings& settings);

// `answers` has one for each of these. A name that a site cannot be reached without is an error
// where it stands; a public name that DNS lacks is none where all listeners of the rule are on
// loopback, since nobody could follow it.
void check_names(const settings::Settings& settings, const Machine& machine,
                 const ProbeLoop::Answers& answers, LiveReport& report);

}  // namespace ocsproxy
