// A site that is the proxy itself: requests to it would come back for ever, and are answered with
// 508.
#pragma once

#include "base/finding.h"
#include "check/machine.h"
#include "net/socket_address.h"
#include "settings/settings.h"

namespace ocsproxy {

// Reports, and answers, whether a listener has the place where a site is reached.
bool report_loop(const settings::Settings& settings, const Machine& machine,
                 const SocketAddress& reached, Location where, Findings& findings);

}  // namespace ocsproxy
