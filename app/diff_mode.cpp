#include <algorithm>
#include <cstdio>
#include <future>

#include "app/modes.h"
#include "app/questions.h"
#include "check/diff_report.h"

namespace ocsproxy {

int diff_mode(const CommandLine& line) {
  // Reading is most of the work, so both are read at once.
  auto reading = std::async(std::launch::async, read_policy_of, line, line.compared_with);
  const PolicyOrStatus before = read_policy_of(line, line.configuration);
  const PolicyOrStatus now = reading.get();
  for (const PolicyOrStatus* one : {&before, &now}) {
    std::fputs(one->complaint.c_str(), stderr);
  }
  if (before.status != 0 || now.status != 0) return std::max(before.status, now.status);

  const rules::RequestSpace space({before.policy->policy(), now.policy->policy()});
  const PolicyDiff diff = compare_policies(space);
  const auto report = line.format == ReportFormat::json ? diff_as_json : diff_as_text;
  std::fputs(report(diff, space, *before.policy, *now.policy).c_str(), stdout);
  return diff.empty() ? 0 : 1;
}

}  // namespace ocsproxy
