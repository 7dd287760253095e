#include <csignal>
#include <cstdio>

#include "app/modes.h"
#include "app/serving.h"
#include "base/log.h"
#include "lab/lab.h"

namespace ocsproxy {

int lab_mode(const CommandLine& line) {
  const Log log;
  // The pool's thread must not take the signals that are meant for the server.
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGHUP, SIGTERM, SIGINT, SIGUSR1}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  Result<lab::Lab> lab = lab::Lab::start(line.configuration, log);
  if (!lab) {
    log.error(lab.error().detail);
    return lab.error().kind == ErrorKind::malformed ? 1 : 2;
  }
  std::fputs(lab->instructions().c_str(), stdout);
  std::fflush(stdout);
  // Everything is on loopback and above port 1024, so one process will do, root or not.
  return serve_alone(make_load(line.configuration), line, log);
}

}  // namespace ocsproxy
