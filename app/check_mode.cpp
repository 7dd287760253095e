#include <unistd.h>

#include <chrono>
#include <cstdio>

#include "app/modes.h"
#include "app/questions.h"
#include "check/check.h"
#include "check/findings_report.h"
#include "check/live/live.h"

namespace ocsproxy {

int check_mode(const CommandLine& line) {
  DiskFiles files;
  const Library library(Library::Algorithms::legacy);
  const auto asked = read_for_questions(line, files, library);
  if (!asked) return refuse(asked.error());
  Findings findings = check_configuration(*asked->configuration, asked->machine, library, files,
                                          std::chrono::system_clock::now());
  std::vector<std::string> well;
  if (line.live && findings.has_errors()) {
    std::fputs("ocsproxy: nothing was tried, because the configuration has errors\n", stderr);
  } else if (line.live) {
    LiveReport live = check_live(*asked->configuration, asked->machine,
                                 {.path = line.configuration, .resolver = line.resolver});
    for (const Finding& finding : live.findings.all()) findings.add(finding);
    findings.sort();
    well = std::move(live.well);
  }
  const bool colour = line.colour && ::isatty(STDOUT_FILENO) == 1;
  const std::string report =
      report_findings(findings, asked->configuration->sources, line.format, colour, well);
  std::fputs(report.c_str(), stdout);
  const bool fails =
      findings.has_errors() || (line.strict && findings.count(Severity::warning) > 0);
  return fails ? 1 : 0;
}

}  // namespace ocsproxy
