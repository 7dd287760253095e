// What `--lab conf/` adds to the proxy: certificates where the configuration names files that do
// not exist yet, and a stand-in pool at each address that its rules publish.
#pragma once

#include <string>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "lab/pool.h"

namespace ocsproxy::lab {

// Owns the pool; ends it when destroyed. Owned by one thread.
class Lab {
 public:
  // `path` is the configuration, a directory or a file, as settings/load.h reads it. Call this
  // before the configuration's certificates are read. The error's detail is for the administrator
  // and may have several lines: the findings of a configuration with errors, an address that is not
  // loopback or is taken, a certificate that is not the lab's to make. Its kind is
  // `malformed` where the configuration is what has to change.
  static Result<Lab> start(const std::string& path, const Log& log);

  // What to try: commands for an allowed, a denied and an NTLM request, to be printed. Ends with a
  // newline.
  const std::string& instructions() const { return instructions_; }
  const Pool& pool() const { return pool_; }

 private:
  Lab(Pool pool, std::string instructions)
      : pool_(std::move(pool)), instructions_(std::move(instructions)) {}

  Pool pool_;
  std::string instructions_;
};

}  // namespace ocsproxy::lab
