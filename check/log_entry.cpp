#include "check/log_entry.h"

#include "base/text.h"
#include "proxy/access_log.h"
#include "proxy/log_line.h"

namespace ocsproxy {

static_assert(kMaxLoggedName <= kSpelledNameBytes);

std::string_view unescaped(std::string_view text, LogForm form, std::span<char> buffer) {
  if (form == LogForm::isa || text.find('\\') == std::string_view::npos) return text;
  std::size_t size = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    char c = text[at];
    if (c == '\\' && form == LogForm::json && at + 1 < text.size()) c = text[++at];
    const bool hex = c == '\\' && at + 3 < text.size() && text[at + 1] == 'x' &&
                     hex_value(text[at + 2]) >= 0 && hex_value(text[at + 3]) >= 0;
    if (hex) {
      c = static_cast<char>(hex_value(text[at + 2]) * 16 + hex_value(text[at + 3]));
      at += 3;
    }
    buffer[size++] = c;
  }
  return {buffer.data(), size};
}

std::string_view spelled(std::string_view name, LogForm form,
                         std::span<char, kSpelledNameBytes> buffer) {
  if (form == LogForm::isa) return name;
  const auto quoting = form == LogForm::json ? LogLine::Quoting::json : LogLine::Quoting::plain;
  return LogLine(buffer, quoting).bound(kMaxLoggedName).foreign(name).text();
}

}  // namespace ocsproxy
