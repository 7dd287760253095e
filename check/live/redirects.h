// Where a site's redirect leads a client outside.
#pragma once

#include "check/configuration.h"
#include "check/live/ask.h"
#include "check/live/directories.h"
#include "check/live/live_report.h"

namespace ocsproxy {

// Says what is wrong with the Location of a 3xx answer (RFC 9110 10.2.2, 15.4), as the client would
// get it from the proxy: a page that it may not have, an unencrypted one, the same once more, a
// name of the inside. Nothing when it is well, or leads to somebody else's site.
void judge_redirect(const Configuration& configuration, const Machine& machine,
                    const DirectoryQuestion& question, const SiteAnswer& answer,
                    LiveReport& report);

}  // namespace ocsproxy
