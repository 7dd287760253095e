#include "check/policy_findings.h"

namespace ocsproxy {

void check_policy(const Subject& subject, Findings& findings) {
  check_listeners(subject, findings);
  check_unused(subject, findings);
  check_filters(subject, findings);
  check_flood_exceptions(subject, findings);
  const auto& rules = subject.settings().rules;
  for (std::uint32_t number = 0; number < rules.size(); ++number) {
    const settings::Rule& rule = rules[number];
    if (!rule.enabled) continue;
    check_sources(subject, rule, findings);
    check_public_names(rule, findings);
    check_paths(rule, findings);
    if (!rule.to) continue;
    check_target(subject, rule, findings);
    check_communications(subject, number, findings);
    check_filter_of(subject, number, findings);
  }
}

}  // namespace ocsproxy
