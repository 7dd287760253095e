#include "base/log.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <ctime>
#include <string>

namespace ocsproxy {
namespace {

std::string timestamp() {
  const auto now = std::chrono::system_clock::now();
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  const auto millis =
      std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[40];
  const std::size_t size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text + size, sizeof text - size, ".%03dZ", static_cast<int>(millis));
  return text;
}

std::string_view name(LogLevel level) {
  switch (level) {
    case LogLevel::error:
      return " error: ";
    case LogLevel::warning:
      return " warning: ";
    case LogLevel::info:
      return " info: ";
  }
  return " ";
}

}  // namespace

void Log::write(LogLevel level, std::string_view text) const {
  while (text.ends_with('\n')) text.remove_suffix(1);
  std::string line = timestamp();
  line += name(level);
  for (const char c : text) {
    if (c == '\n') {
      line += "\n    ";
    } else if (static_cast<unsigned char>(c) < 0x20 && c != '\t') {
      line += '?';
    } else {
      line += c;
    }
  }
  line += '\n';
  std::string_view rest = line;
  while (!rest.empty()) {
    const ssize_t wrote = ::write(descriptor_, rest.data(), rest.size());
    if (wrote <= 0) return;  // nowhere left to complain to
    rest.remove_prefix(static_cast<std::size_t>(wrote));
  }
}

}  // namespace ocsproxy
