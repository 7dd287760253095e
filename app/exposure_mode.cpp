#include <cstdio>

#include "app/modes.h"
#include "app/questions.h"
#include "check/exposure_report.h"

namespace ocsproxy {

int exposure_mode(const CommandLine& line) {
  const PolicyOrStatus read = read_policy_of(line, line.configuration);
  std::fputs(read.complaint.c_str(), stderr);
  if (read.status != 0) return read.status;
  const rules::RequestSpace space({read.policy->policy()});
  const auto report = line.format == ReportFormat::json   ? exposure_as_json
                      : line.format == ReportFormat::html ? exposure_as_html
                                                          : exposure_as_text;
  std::fputs(report(examine_exposure(space), *read.policy).c_str(), stdout);
  return 0;
}

}  // namespace ocsproxy
