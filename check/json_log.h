// Lines of our own log as JSON: one object a line, without anything nested.
#pragma once

#include <string_view>

#include "check/log_entry.h"

namespace ocsproxy {

// False when the line is not what proxy/access_log.h writes, the order of members and blanks
// between them apart.
bool read_json_line(std::string_view line, LogEntry& entry);

}  // namespace ocsproxy
