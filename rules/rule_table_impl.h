// What a RuleTable is made of, for the files that implement it.
#pragma once

#include "rules/compiled_policy.h"
#include "rules/rule_table.h"

namespace ocsproxy::rules {

struct RuleTable::Impl {
  CompiledPolicy policy;
  const settings::Settings& settings;
  std::vector<std::shared_ptr<const HttpFilter>> filters{};  // as Settings::http_filters
};

}  // namespace ocsproxy::rules
