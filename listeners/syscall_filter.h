// What a process may ask of the kernel: filters of system calls (seccomp).
//
// Two kinds of calls are kept from us. What no honest way through the program leads to, such as
// running another program, tracing a process or mounting, kills the process: whoever asks for it is
// not us any more, and the supervisor says so and starts another server. All else that is not on
// the list of what we need fails with ENOSYS, as on a kernel that does not have it yet: libraries
// try new calls and fall back, and a library's new version must not be an outage. The kernel's log
// names the calls of both kinds ("type=1326").
#pragma once

#include <cstdint>

#include "base/error.h"

namespace ocsproxy {

enum class Confinement : std::uint8_t {
  supervisor,  // everything but what kills; for the loader too
  server,      // what serving takes: files are opened to read only, no process is started
  alone,       // what serving and loading take
};

// For the calling thread and all threads and processes that it starts; for good, and together with
// what was agreed on before. Nobody started from here gains a privilege any more. An error: this
// kernel or container has no filters, and nothing has changed.
Status confine(Confinement confinement);

}  // namespace ocsproxy
