// Proves what the configuration expects of its own rules, or finds the request that shows the
// contrary.
#pragma once

#include "base/finding.h"
#include "rules/rule_table.h"
#include "settings/settings.h"

namespace ocsproxy::rules {

// `table` was compiled from `settings`, which have no errors. An expectation that does not hold is
// an error with a counter-example. One that only regexes stand against is a warning: it is not
// proven, and not refuted.
//
// A URL is reached when a rule allows a request and the path that goes to the site is that of the
// URL, with its ;parameters or without. What reaches every URL does so by GET.
void prove_expectations(const settings::Settings& settings, const RuleTable& table,
                        Findings& findings);

}  // namespace ocsproxy::rules
