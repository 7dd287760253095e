#include <unistd.h>

#include <cstdio>

#include "app/modes.h"
#include "base/files.h"
#include "listeners/endpoint.h"
#include "listeners/interfaces.h"
#include "listeners/runtime.h"
#include "settings/load.h"

namespace ocsproxy {

int check_mode(const CommandLine& line) {
  DiskFiles files;
  Result<settings::Loaded> loaded = settings::load(line.configuration, files);
  if (!loaded) {
    std::fprintf(stderr, "ocsproxy: %s\n", loaded.error().detail.c_str());
    return 2;
  }
  Findings findings;
  for (const Finding& finding : loaded->findings.all()) findings.add(finding);
  const Sources sources = loaded->sources;
  // What depends on a settings tree without errors is looked at only when there is one.
  if (!findings.has_errors()) {
    const auto interfaces = network_interfaces();
    if (interfaces) (void)endpoints_of(loaded->settings, *interfaces, findings);
    (void)compile_snapshot(*std::move(loaded), files, 0, findings);
  }
  findings.sort();
  const bool colour = line.colour && ::isatty(STDOUT_FILENO) == 1;
  std::fputs(render(findings, sources, colour).c_str(), stdout);
  std::printf("%zu errors, %zu warnings\n", findings.count(Severity::error),
              findings.count(Severity::warning));
  return findings.has_errors() ? 1 : 0;
}

}  // namespace ocsproxy
