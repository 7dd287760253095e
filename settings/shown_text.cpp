#include "settings/shown_text.h"

#include <cstdint>

#include "base/text.h"

namespace ocsproxy::settings {
namespace {

constexpr std::size_t kLongestShown = 100;

std::uint8_t byte_at(std::string_view text, std::size_t at) {
  return static_cast<std::uint8_t>(text[at]);
}

// 0 when what stands at `at` is not to be shown as it is.
std::size_t printable_length(std::string_view text, std::size_t at) {
  const std::uint8_t byte = byte_at(text, at);
  const std::size_t length = utf8_length(text, at);
  // U+0080 to U+009F are control characters too.
  const bool control = length == 1   ? byte < 0x20 || byte == 0x7f
                       : length == 2 ? byte == 0xc2 && byte_at(text, at + 1) < 0xa0
                                     : false;
  return control ? 0 : length;
}

}  // namespace

std::size_t find_unprintable(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const char c = text[at];
    const bool line_end = c == '\n' || (c == '\r' && at + 1 < text.size() && text[at + 1] == '\n');
    const std::size_t length = c == '\t' || line_end ? 1 : printable_length(text, at);
    if (length == 0) return at;
    at += length;
  }
  return std::string_view::npos;
}

std::string shown(std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string result = "\"";
  std::size_t at = 0;
  while (at < text.size() && at < kLongestShown) {
    const std::size_t length = printable_length(text, at);
    if (length == 0) {
      const std::uint8_t byte = byte_at(text, at);
      result.append("\\x").append(1, kHex[byte >> 4]).append(1, kHex[byte & 15]);
      ++at;
    } else {
      result += text.substr(at, length);
      at += length;
    }
  }
  return result + (at < text.size() ? "...\"" : "\"");
}

}  // namespace ocsproxy::settings
