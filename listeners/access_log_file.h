// The file that the access log is written to.
#pragma once

#include <string>

#include "base/descriptor.h"
#include "base/error.h"
#include "listeners/load_bundle.h"

namespace ocsproxy {

// Opens it for appending, and creates it (0640) and the directories above it (0750) when they are
// missing. `/dev/stdout` and `/dev/stderr` are the process's own. Root opens this file in a place
// that others may be able to write to, so a symbolic link, and anything but a regular file, is
// refused. The error is a sentence: "cannot open the access log /var/log/x: Permission denied".
Result<Descriptor> open_access_log(const std::string& path);

// Opens the log of a load again, after the file was renamed. The load has the new one from now on;
// the answer is a duplicate of it.
Result<Descriptor> reopen_access_log(EncodedBundle& bundle);

}  // namespace ocsproxy
