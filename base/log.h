// The program's own log: one line an event, on standard error, for the administrator and the
// journal. (What clients asked for is in the access log, proxy/access_log.h.)
#pragma once

#include <string_view>

namespace ocsproxy {

enum class LogLevel { error, warning, info };

// Writes lines to a descriptor that it does not own. Any thread may call it: a line is one
// write(2).
class Log {
 public:
  explicit Log(int descriptor = 2) : descriptor_(descriptor) {}
  void error(std::string_view text) const { write(LogLevel::error, text); }
  void warning(std::string_view text) const { write(LogLevel::warning, text); }
  void info(std::string_view text) const { write(LogLevel::info, text); }
  // "2026-01-31T12:00:00.123Z error: text". Control bytes in `text` other than \n are escaped, and
  // each line after the first is indented, so that nothing can forge a line.
  void write(LogLevel level, std::string_view text) const;

 private:
  int descriptor_;
};

}  // namespace ocsproxy
