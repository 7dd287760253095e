// What a line of an access log says of a request, whoever wrote it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace ocsproxy {

enum class LogForm : std::uint8_t {
  w3c,   // our own
  json,  // our own
  isa,   // W3C as ISA Server and TMG write it
};

// The fields that a replay asks for; a log has more.
enum class LogField : std::uint8_t {
  client,
  method,
  url,
  protocol,  // "https" or "http": of the client's connection
  listener,
  service,
  rule,
  action,
  status,
  site,
  error,        // W3C
  error_phase,  // JSON
  error_kind,   // JSON
};
inline constexpr std::size_t kLogFields = 13;

// Views into the line, as it spells them.
struct LogEntry {
  LogForm form = LogForm::w3c;
  std::array<std::string_view, kLogFields> fields;  // "": not known

  std::string_view& operator[](LogField field) { return fields[static_cast<std::size_t>(field)]; }
  std::string_view operator[](LogField field) const {
    return fields[static_cast<std::size_t>(field)];
  }
};

// What was logged as `text`: the escapes of our own log undone, those of JSON too. A part of
// `buffer`, which must be as long as `text`, or `text` itself where there is nothing to undo.
std::string_view unescaped(std::string_view text, LogForm form, std::span<char> buffer);

// How our own log spells a name; for ISA's, the name. A part of `buffer`, or `name` itself.
inline constexpr std::size_t kSpelledNameBytes = 512;
std::string_view spelled(std::string_view name, LogForm form,
                         std::span<char, kSpelledNameBytes> buffer);

}  // namespace ocsproxy
