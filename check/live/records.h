// The records that `dns` says DNS must have: SRV records by which clients of OCS find their
// servers, and addresses.
#pragma once

#include "check/configuration.h"
#include "check/live/live_report.h"
#include "check/live/probe_loop.h"

namespace ocsproxy {

// Compares the addresses with `names`, which has an answer for each of names_of, and asks for the
// SRV records. The target of an SRV record must be in the record's domain and,
// where it can be connected to by TLS, have a certificate for its name.
void check_records(const Configuration& configuration, const ProbeLoop::Answers& names,
                   ProbeLoop& loop, LiveReport& report);

}  // namespace ocsproxy
