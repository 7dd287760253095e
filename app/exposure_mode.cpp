#include <chrono>
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
  const std::vector<NetworkExposure> networks = examine_exposure(space);
  const std::string report = line.format == ReportFormat::json
                                 ? exposure_as_json(networks, *read.policy)
                             : line.format == ReportFormat::html
                                 ? exposure_as_html(networks, *read.policy, line.configuration,
                                                    std::chrono::system_clock::now())
                                 : exposure_as_text(networks, *read.policy);
  std::fputs(report.c_str(), stdout);
  return 0;
}

}  // namespace ocsproxy
