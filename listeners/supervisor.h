// The two processes of a server that is started as root.
//
// The supervisor keeps the privilege and does little: it has no thread, reads no configuration and
// opens no connection. For each load it forks a loader, a short-lived process that is root too,
// which runs the LoadFunction and sends the bundle (or the findings) back. The server is forked
// from it as well, gives up every privilege before anything else, and gets the bundle. It can ask
// the supervisor for one thing: a reload. No descriptor is ever taken from it, and nothing that it
// says is parsed.
//
// The supervisor keeps the last good bundle with its sockets. A server that dies is started from it
// again, with back-off; connections that came meanwhile wait in the sockets' queues.
//
//   SIGHUP           load again; a load that fails, or that the server refuses, changes nothing
//   SIGUSR1          open the access log again (after it was renamed) and pass it on
//   SIGTERM, SIGINT  drain; a second one tells the server to end at once, a third one kills it
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "base/log.h"
#include "listeners/control.h"

namespace ocsproxy {

struct SupervisorOptions {
  LoadFunction load;
  // The server: runs in its own process, unprivileged. Returns the exit status after a drain.
  std::function<int(ControlSource& control)> serve;
  // The account to serve as (--user); "": `ocsproxy` if there is one, else `nobody`.
  std::string user;

  // Between the death of a server and the next start: doubles from one death to the next, begins
  // again after a server that lived for `calm`.
  std::chrono::milliseconds first_back_off{100};
  std::chrono::milliseconds longest_back_off{10'000};
  std::chrono::milliseconds calm{60'000};
  // A loader that takes longer (a file system that hangs) is given up.
  std::chrono::milliseconds load_at_most{120'000};
  // What a server may take beyond the configured drain before it is killed.
  std::chrono::milliseconds drain_grace{5'000};
};

// Raises the limit of open files, and runs until the server has been drained. Precondition:
// effective user root, and no thread exists. Returns the exit status: 0 after a drain; 1 when the
// first load has errors, the server refuses it, or the server dies from it again and again; 2 when
// the configuration cannot be read or the account does not fit.
int run_supervisor(const SupervisorOptions& options, const Log& log);

}  // namespace ocsproxy
