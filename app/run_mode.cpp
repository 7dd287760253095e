#include <unistd.h>

#include "app/modes.h"
#include "app/serving.h"
#include "base/log.h"
#include "listeners/runtime.h"
#include "listeners/supervisor.h"

namespace ocsproxy {

int run_mode(const CommandLine& line) {
  const Log log;
  const LoadFunction load = make_load(line.configuration);
  if (::geteuid() != 0) return serve_alone(load, line.configuration, log);
  const auto serve = [&](ControlSource& control) {
    return Runtime(control, line.configuration, log).run();
  };
  return run_supervisor({.load = load, .serve = serve, .user = line.user}, log);
}

}  // namespace ocsproxy
