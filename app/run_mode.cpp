#include <unistd.h>

#include "app/modes.h"
#include "app/questions.h"
#include "app/serving.h"
#include "base/log.h"
#include "listeners/supervisor.h"

namespace ocsproxy {

int run_mode(const CommandLine& line) {
  const Log log;
  const LoadFunction load = make_load(line.configuration);
  if (::geteuid() != 0) return serve_alone(load, line, log);
  const auto questions = make_question_socket(line);
  if (!questions) return refuse(questions.error());
  const auto serve_unprivileged = [&](ControlSource& control) {
    return serve(control, line.configuration, questions->get(), log);
  };
  return run_supervisor({.load = load, .serve = serve_unprivileged, .user = line.user}, log);
}

}  // namespace ocsproxy
