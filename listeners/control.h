// How the serving process is told what to serve. It does not know whether a privileged supervisor
// stands behind this interface (supervisor.h) or the process loads for itself (local_loader.h).
//
// The server's main thread waits until `descriptor()` is readable and then calls `receive()` until
// it gives nothing:
//
//   bundle      Parse the configuration from the bundle, build, and switch over; then `accepted()`,
//               or `refused(why)` when that is impossible, with everything as it was before. An
//               endpoint whose address is served already keeps the sockets it has: the ones in the
//               bundle are duplicates of them, to be closed. Endpoints that the bundle does not
//               name are closed. No second bundle comes before the first is answered.
//   reopen_log  From now on write to this descriptor. An empty one: go on with what you have.
//   drain       Stop accepting, end what is idle, let the rest finish until the configuration's
//               `drain` has passed, then return. Comes once more when the administrator insists:
//               then end at once.
//
// The first message is a bundle. An error of `receive()` means that no message will ever come:
// drain. Everything on one thread.
#pragma once

#include <functional>
#include <optional>
#include <string_view>

#include "base/descriptor.h"
#include "base/error.h"
#include "listeners/load_bundle.h"

namespace ocsproxy {

struct ControlMessage {
  enum class Kind { bundle, reopen_log, drain };
  Kind kind = Kind::drain;
  LoadBundle bundle;      // with Kind::bundle
  Descriptor access_log;  // with Kind::reopen_log
};

class ControlSource {
 public:
  virtual ~ControlSource() = default;
  // For epoll, level-triggered or poll(2): readable when a message may be there. Stays the
  // source's.
  virtual int descriptor() const = 0;
  // The next message, or nothing for now. Never waits for another process.
  virtual Result<std::optional<ControlMessage>> receive() = 0;
  // The answer to a bundle.
  virtual void accepted() = 0;
  virtual void refused(std::string_view why) = 0;
  // Asks for a load of the configuration as it is on the disk now.
  virtual void request_reload() = 0;
};

// Makes a load from the disk. `last` is the load in force, or null for the first: what did not
// change keeps its sockets (as duplicates in the answer) and the number of workers. The error's
// kind is malformed when the configuration has errors (the detail is all findings, rendered) and
// anything else when it could not be read.
using LoadFunction = std::function<Result<LoadBundle>(const LoadBundle* last)>;

}  // namespace ocsproxy
