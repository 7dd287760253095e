// Text without locale: ASCII case, splitting, nearest known word.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace ocsproxy {

constexpr char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
// -1 when `c` is no hexadecimal digit.
constexpr int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  const char l = to_lower(c);
  return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}
// RFC 9110 5.6.2: the characters of a token (field names, methods).
inline constexpr std::array<bool, 256> kTokenChars = [] {
  std::array<bool, 256> chars{};
  for (std::size_t c = 0; c < 128; ++c) {
    const char ch = static_cast<char>(c);
    chars[c] = is_digit(ch) || is_alpha(ch) ||
               std::string_view("!#$%&'*+-.^_`|~").find(ch) != std::string_view::npos;
  }
  return chars;
}();
constexpr bool is_token_char(unsigned char c) { return kTokenChars[c]; }
bool is_token(std::string_view text);

// Equal but for the case of ASCII letters.
bool iequals(std::string_view a, std::string_view b);
// Is there a control character other than HTAB in it (below 0x20, or 0x7f)? Where such a byte
// stands, somebody's parser sees a line end.
bool has_control(std::string_view text);
// The first control character other than HTAB at or after `from`; `text.size()` when there is none.
std::size_t find_control(std::string_view text, std::size_t from);
bool istarts_with(std::string_view text, std::string_view prefix);
bool iends_with(std::string_view text, std::string_view suffix);
std::string lower(std::string_view text);
// Without leading and trailing spaces and tabs (RFC 9110 OWS).
std::string_view trim(std::string_view text);

// The known word that `word` most likely was meant to be, or "" when none is near enough
// (optimal string alignment distance of at most a third of the length).
std::string_view nearest_word(std::string_view word, std::span<const std::string_view> known);
std::size_t edit_distance(std::string_view a, std::string_view b);

// The length of the well-formed character of UTF-8 (RFC 3629) at `at`; 0 when there is none.
// Precondition: `at` is in `text`.
std::size_t utf8_length(std::string_view text, std::size_t at);

// Text that a peer sent, fit for a log line or a message: control bytes, quotes, backslashes and
// bytes above 0x7e become \xNN; cut after `max` characters of input with "...".
std::string escaped(std::string_view text, std::size_t max = 256);

}  // namespace ocsproxy
