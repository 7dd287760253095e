#include "settings/shown_text.h"

#include <cstdint>

namespace ocsproxy::settings {
namespace {

constexpr std::size_t kLongestShown = 100;

std::uint8_t byte_at(std::string_view text, std::size_t at) {
  return static_cast<std::uint8_t>(text[at]);
}

bool is_continuation(std::string_view text, std::size_t at) {
  return at < text.size() && (byte_at(text, at) & 0xc0) == 0x80;
}

// The length of the well-formed, printable character at `at`; 0 when there is none.
std::size_t multi_byte_length(std::string_view text, std::size_t at) {
  const std::uint8_t first = byte_at(text, at);
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if (!is_continuation(text, at + i)) return 0;
  }
  const std::uint8_t second = byte_at(text, at + 1);
  const bool overlong = (first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90);
  const bool surrogate = first == 0xed && second >= 0xa0;
  const bool beyond = first == 0xf4 && second >= 0x90;
  const bool control = first == 0xc2 && second < 0xa0;  // U+0080 to U+009F
  return overlong || surrogate || beyond || control ? 0 : length;
}

// 0 when what stands at `at` is not to be shown as it is.
std::size_t printable_length(std::string_view text, std::size_t at) {
  const std::uint8_t byte = byte_at(text, at);
  if (byte >= 0x80) return multi_byte_length(text, at);
  return byte >= 0x20 && byte != 0x7f ? 1 : 0;
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
