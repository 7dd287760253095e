#include "proxy/chunk_line.h"

#include "base/text.h"

namespace ocsproxy {
namespace {

constexpr bool is_blank(char c) { return c == ' ' || c == '\t'; }
bool is_tchar(char c) { return is_token_char(static_cast<unsigned char>(c)); }
// HTAB, SP, VCHAR or obs-text: all that may stand in a quoted string or after a backslash in it.
constexpr bool is_text(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return c == '\t' || (byte >= 0x20 && byte != 0x7f);
}

constexpr std::string_view kBadExtension = "a chunk extension is malformed";

}  // namespace

ChunkLine::Step ChunkLine::take(char c) {
  if (after_ == After::size) return take_size(c);
  if (after_ == After::cr) {
    return c == '\n' ? Step::complete : fail("a chunk size line holds a CR without LF");
  }
  return take_extension(c);
}

ChunkLine::Step ChunkLine::take_size(char c) {
  if (const int digit = hex_value(c); digit >= 0) {
    if (digits_ == kMaxDigits) return fail("a chunk size has more than 15 digits");
    ++digits_;
    size_ = size_ * 16 + static_cast<std::uint64_t>(digit);
    return Step::more;
  }
  if (digits_ == 0) return fail("a chunk does not begin with a hexadecimal size");
  if (c == '\r') return go(After::cr);
  if (c == ';' || is_blank(c)) return take_extension(c);
  return fail("a chunk size is followed by something else than an extension or CRLF");
}

// `c` after a complete element: the end of the line or what may begin the next element.
ChunkLine::Step ChunkLine::between(char c, bool end_allowed, bool equals_allowed) {
  if (c == ';') return go(After::semicolon);
  if (c == '=' && equals_allowed) return go(After::equals);
  if (c == '\r' && end_allowed) return go(After::cr);
  if (is_blank(c)) return go(equals_allowed ? After::name_space : After::size_or_value_space);
  return fail(kBadExtension);
}

ChunkLine::Step ChunkLine::take_quoted(char c) {
  if (!is_text(c)) return fail(kBadExtension);
  if (after_ == After::backslash) return go(After::quote);
  if (c == '\\') return go(After::backslash);
  return go(c == '"' ? After::closing_quote : After::quote);
}

ChunkLine::Step ChunkLine::take_extension(char c) {
  if (c != '\r' && ++extension_bytes_ > kMaxExtensionBytes) {
    why_ = "the extensions of a chunk are longer than 1024 bytes";
    return Step::too_large;
  }
  switch (after_) {
    case After::size:
    case After::size_or_value_space:
      return between(c, false, false);
    case After::semicolon:
      if (is_tchar(c)) return go(After::name);
      return is_blank(c) ? Step::more : fail(kBadExtension);
    case After::name:
      return is_tchar(c) ? Step::more : between(c, true, true);
    case After::name_space:
      return between(c, false, true);
    case After::equals:
      if (c == '"') return go(After::quote);
      if (is_tchar(c)) return go(After::value);
      return is_blank(c) ? Step::more : fail(kBadExtension);
    case After::value:
      return is_tchar(c) ? Step::more : between(c, true, false);
    case After::quote:
    case After::backslash:
      return take_quoted(c);
    case After::closing_quote:
      return between(c, true, false);
    case After::cr:
      break;
  }
  return fail(kBadExtension);
}

}  // namespace ocsproxy
