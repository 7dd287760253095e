// Findings about one rule, listener or network at a time: what can be served and is most likely not
// meant. What several rules do to each other is not looked at here.
#pragma once

#include "base/finding.h"
#include "check/subject.h"

namespace ocsproxy {

// All of those below, for every listener and every enabled rule.
void check_policy(const Subject& subject, Findings& findings);

// Addresses and ports that cannot be had, or are more than is meant; listeners that serve nobody.
void check_listeners(const Subject& subject, Findings& findings);
// Networks and roots that nothing uses.
void check_unused(const Subject& subject, Findings& findings);

// HTTP filters by themselves, and the one of an allow, whose index `number` is.
void check_filters(const Subject& subject, Findings& findings);
void check_filter_of(const Subject& subject, std::uint32_t number, Findings& findings);
// Exceptions of flood mitigation that never count.
void check_flood_exceptions(const Subject& subject, Findings& findings);

// Who may ask: `from` and `except_from` against the networks of the listener.
void check_sources(const Subject& subject, const settings::Rule& rule, Findings& findings);
void check_public_names(const settings::Rule& rule, Findings& findings);
void check_paths(const settings::Rule& rule, Findings& findings);
// Where the requests of an allow go, and what crosses the wire in clear on the way.
void check_target(const Subject& subject, const settings::Rule& rule, Findings& findings);

// What is known of OCS and its successors, and of clients that wait long. `number` is the index of
// an allow.
void check_communications(const Subject& subject, std::uint32_t number, Findings& findings);

}  // namespace ocsproxy
