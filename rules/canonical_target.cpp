#include "rules/canonical_target.h"

#include <array>

#include "base/text.h"

namespace ocsproxy::rules {
namespace {

// RFC 3986 3.3: what may stand in a path segment as itself.
constexpr bool is_pchar(unsigned char byte) {
  constexpr std::string_view kOthers = "-._~!$&'()*+,;=:@";
  const char c = static_cast<char>(byte);
  return is_alpha(c) || is_digit(c) || kOthers.find(c) != std::string_view::npos;
}

// What never stands raw in a request target. A "\" may stand in the query, where it is no separator
// to anybody.
constexpr bool is_refused_raw(unsigned char byte, bool in_query) {
  return byte <= 0x20 || byte >= 0x7f || byte == '#' || (byte == '\\' && !in_query);
}

bool has_refused_raw(std::string_view text, bool in_query) {
  for (const char c : text) {
    if (is_refused_raw(static_cast<unsigned char>(c), in_query)) return true;
  }
  return false;
}

// The fast scan: one table lookup a byte. The low bits say what the byte is to its successor, the
// middle bits to its predecessor; a pair that has a bit in common needs the slow way: "//", "/.",
// "./" and ":$". The top bit is for bytes that need it by themselves (and "?", which ends the
// path).
constexpr std::uint8_t kStop = 0x80;
constexpr std::uint8_t kAfterSlash = 1, kAfterDot = 2, kAfterColon = 4;
constexpr unsigned kBeforeShift = 4;

constexpr std::array<std::uint8_t, 256> make_scan_table() {
  std::array<std::uint8_t, 256> table{};
  for (unsigned byte = 0; byte < 256; ++byte) {
    const bool plain = is_pchar(static_cast<unsigned char>(byte)) && byte != ';';
    table[byte] = plain || byte == '/' ? 0 : kStop;
  }
  table['/'] = kAfterSlash | (kAfterSlash | kAfterDot) << kBeforeShift;
  table['.'] = kAfterDot | kAfterSlash << kBeforeShift;
  table[':'] = kAfterColon;
  table['$'] = kAfterColon << kBeforeShift;
  return table;
}
constexpr std::array<std::uint8_t, 256> kScan = make_scan_table();

struct PlainPath {
  std::size_t size = 0;  // of the path, when it is canonical as it stands
  bool canonical = false;
};

PlainPath scan_plain_path(std::string_view text) {
  std::uint8_t last = 0;
  std::size_t i = 0;
  for (; i < text.size(); ++i) {
    const std::uint8_t now = kScan[static_cast<unsigned char>(text[i])];
    if ((now & kStop) != 0) break;
    if ((last & (now >> kBeforeShift)) != 0) return {};
    last = now;
  }
  if (i < text.size() && text[i] != '?') return {};
  return {i, (last & kAfterDot) == 0};
}

// The byte that the escape at `text[at]` stands for, or -1 when it is none.
int escaped_byte(std::string_view text, std::size_t at) {
  if (at + 2 >= text.size() || text[at] != '%') return -1;
  const int high = hex_value(text[at + 1]);
  const int low = hex_value(text[at + 2]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

// How many escapes from `at` on are one well-formed character of UTF-8 (RFC 3629: no overlong form,
// no surrogate, nothing above U+10FFFF); 0 for none.
std::size_t utf8_escapes(std::string_view text, std::size_t at) {
  const int lead = escaped_byte(text, at);
  const int count = lead >= 0xc2 && lead <= 0xdf   ? 1
                    : lead >= 0xe0 && lead <= 0xef ? 2
                    : lead >= 0xf0 && lead <= 0xf4 ? 3
                                                   : 0;
  if (count == 0) return 0;
  for (int i = 1; i <= count; ++i) {
    const int byte = escaped_byte(text, at + static_cast<std::size_t>(3 * i));
    int least = 0x80, most = 0xbf;
    if (i == 1 && lead == 0xe0) least = 0xa0;
    if (i == 1 && lead == 0xed) most = 0x9f;
    if (i == 1 && lead == 0xf0) least = 0x90;
    if (i == 1 && lead == 0xf4) most = 0x8f;
    if (byte < least || byte > most) return 0;
  }
  return static_cast<std::size_t>(count) + 1;
}

bool ends_in_dot_or_space(std::string_view text) {
  return text.ends_with('.') || text.ends_with("%20");
}

// In canonical text: "%25" followed by what would make an escape of it.
bool has_double_encoding(std::string_view text) {
  for (auto at = text.find("%25"); at != std::string_view::npos; at = text.find("%25", at + 3)) {
    if (at + 4 < text.size() && hex_value(text[at + 3]) >= 0 && hex_value(text[at + 4]) >= 0) {
      return true;
    }
  }
  return false;
}

// The slow way: writes the canonical path segment by segment. A segment is judged when it ends,
// with its escapes already decoded, so that each check sees what an origin would see.
class PathWriter {
 public:
  explicit PathWriter(std::span<char> buffer) : buffer_(buffer) {}

  // `raw` begins with "/" and ends where the query begins.
  TargetError write(std::string_view raw) {
    if (!put('/')) return TargetError::too_long;
    segment_ = size_;
    for (std::size_t i = 1; i < raw.size();) {
      const bool slash = raw[i] == '/';
      if (slash) ++i;
      const TargetError error = slash ? end_segment(false) : take_character(raw, i);
      if (error != TargetError::none) return error;
    }
    return end_segment(true);
  }
  std::string_view path() const { return {buffer_.data(), size_}; }
  // Of all that was sent, what ".." removed too.
  bool double_encoded() const { return double_encoded_; }
  bool high_bit() const { return high_bit_; }

 private:
  bool put(char c) {
    if (size_ == buffer_.size()) return false;
    buffer_[size_++] = c;
    return true;
  }

  bool put_escaped(unsigned char byte) {
    constexpr std::string_view kHex = "0123456789ABCDEF";
    return put('%') && put(kHex[byte >> 4]) && put(kHex[byte & 15]);
  }

  // One character of a segment, itself or in escapes; `at` moves on behind it.
  TargetError take_character(std::string_view raw, std::size_t& at) {
    const std::size_t escapes = escaped_byte(raw, at) > 0x7f ? utf8_escapes(raw, at) : 1;
    if (escapes == 0) return TargetError::bad_utf8;
    if (escapes > 1) high_bit_ = true;
    for (std::size_t i = 0; i < escapes; ++i) {
      const bool escape = raw[at] == '%';
      const TargetError error = take_byte(raw, at);
      if (error != TargetError::none) return error;
      at += escape ? 3 : 1;
    }
    return TargetError::none;
  }

  TargetError take_byte(std::string_view raw, std::size_t at) {
    auto byte = static_cast<unsigned char>(raw[at]);
    if (byte == '%') {
      const int decoded = escaped_byte(raw, at);
      if (decoded < 0) return TargetError::bad_escape;
      if (decoded == 0) return TargetError::encoded_nul;
      if (decoded == '/' || decoded == '\\') return TargetError::encoded_separator;
      if (decoded < 0x20 || decoded == 0x7f) return TargetError::encoded_control;
      byte = static_cast<unsigned char>(decoded);
    } else if (is_refused_raw(byte, false)) {
      return TargetError::raw_byte;
    }
    // What RFC 3986 wants escaped and came raw ("|", "[") is escaped here: one form for one path.
    const bool fits = is_pchar(byte) ? put(static_cast<char>(byte)) : put_escaped(byte);
    return fits ? TargetError::none : TargetError::too_long;
  }

  TargetError end_segment(bool last) {
    const std::string_view segment = path().substr(segment_);
    const std::string_view name = segment.substr(0, segment.find(';'));
    if (name.size() < segment.size() && (name == "." || name == "..")) {
      return TargetError::parameter_traversal;
    }
    if (segment.empty() || segment == ".") {
      size_ = segment_;
      return TargetError::none;
    }
    if (segment == "..") return leave_directory();
    if (ends_in_dot_or_space(segment) || ends_in_dot_or_space(name)) {
      return TargetError::trailing_dot_or_space;
    }
    if (segment.find(":$") != std::string_view::npos) return TargetError::stream_suffix;
    if (has_double_encoding(segment)) double_encoded_ = true;
    if (!last && !put('/')) return TargetError::too_long;
    segment_ = size_;
    return TargetError::none;
  }

  TargetError leave_directory() {
    if (segment_ == 1) return TargetError::above_root;
    size_ = path().substr(0, segment_ - 1).rfind('/') + 1;
    segment_ = size_;
    return TargetError::none;
  }

  std::span<char> buffer_;
  std::size_t size_ = 0;
  std::size_t segment_ = 0;  // where the segment begins that is being written
  bool double_encoded_ = false;
  bool high_bit_ = false;
};

// Splits absolute-form (RFC 9112 3.2.2): `rest` is what follows the authority.
TargetError split_absolute(std::string_view target, bool https, std::string_view& authority,
                           std::string_view& rest) {
  const auto colon = target.find("://");
  if (colon == std::string_view::npos || colon == 0 || !is_alpha(target.front())) {
    return TargetError::empty;
  }
  const std::string_view scheme = target.substr(0, colon);
  for (const char c : scheme) {
    if (!is_alpha(c) && !is_digit(c) && c != '+' && c != '-' && c != '.') return TargetError::empty;
  }
  if (!iequals(scheme, https ? "https" : "http")) return TargetError::foreign_scheme;
  rest = target.substr(colon + 3);
  authority = rest.substr(0, rest.find_first_of("/?"));
  rest.remove_prefix(authority.size());
  if (has_refused_raw(authority, false)) return TargetError::raw_byte;
  if (authority.find('@') != std::string_view::npos) return TargetError::userinfo;
  return authority.empty() ? TargetError::empty : TargetError::none;
}

}  // namespace

TargetError canonicalize(std::string_view target, bool https, std::span<char> buffer,
                         CanonicalTarget& result) {
  result = {};
  if (!target.starts_with('/')) {
    std::string_view rest;
    const TargetError error = split_absolute(target, https, result.authority, rest);
    if (error != TargetError::none) return error;
    target = rest;
  }
  if (target.starts_with('/')) {
    const PlainPath plain = scan_plain_path(target);
    if (plain.canonical) {
      result.path = target.substr(0, plain.size);
      target.remove_prefix(plain.size);
    } else {
      const std::string_view raw = target.substr(0, target.find('?'));
      PathWriter writer(buffer);
      const TargetError error = writer.write(raw);
      if (error != TargetError::none) return error;
      result.path = writer.path();
      result.double_encoded = writer.double_encoded();
      result.high_bit = writer.high_bit();
      target.remove_prefix(raw.size());
    }
  } else {
    result.path = "/";  // RFC 9110 4.2.3: an empty path of http and https means "/"
  }
  if (has_refused_raw(target, true)) return TargetError::raw_byte;
  result.query = target;
  return TargetError::none;
}

TargetError reservation(const CanonicalTarget& target) {
  if (target.double_encoded) return TargetError::double_encoding;
  return target.high_bit ? TargetError::high_bit : TargetError::none;
}

std::string_view describe(TargetError error) {
  switch (error) {
    case TargetError::none:
      return "no error";
    case TargetError::empty:
      return "a request target that is neither a path nor an absolute URL";
    case TargetError::raw_byte:
      return "a control, space, non-ASCII, \"#\" or \"\\\" character in the request target";
    case TargetError::bad_escape:
      return "a \"%\" without two hexadecimal digits in the path";
    case TargetError::encoded_nul:
      return "an encoded NUL in the path";
    case TargetError::encoded_separator:
      return "an encoded slash or backslash in the path";
    case TargetError::encoded_control:
      return "an encoded control character in the path";
    case TargetError::bad_utf8:
      return "escapes in the path that are no valid UTF-8";
    case TargetError::above_root:
      return "a path that climbs above the root";
    case TargetError::parameter_traversal:
      return "a \".\" or \"..\" segment with parameters in the path";
    case TargetError::stream_suffix:
      return "the name of an NTFS stream (\":$\") in the path";
    case TargetError::trailing_dot_or_space:
      return "a path segment that ends in a dot or a space";
    case TargetError::double_encoding:
      return "a doubly encoded character in the path";
    case TargetError::high_bit:
      return "a character above U+007F in the path";
    case TargetError::userinfo:
      return "a user name in the request target";
    case TargetError::foreign_scheme:
      return "a request target with another scheme than the listener's";
    case TargetError::too_long:
      return "a path that is too long";
  }
  return "an unknown fault";
}

}  // namespace ocsproxy::rules
