// What --check says of rules that never match, or not where their author may think.
#pragma once

#include "base/finding.h"
#include "rules/rule_table.h"
#include "settings/settings.h"

namespace ocsproxy {

// `table` was compiled from `settings`, whose places are in `sources`.
void find_coverage(const settings::Settings& settings, const rules::RuleTable& table,
                   const Sources& sources, Findings& findings);

}  // namespace ocsproxy
