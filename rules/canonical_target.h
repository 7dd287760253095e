// The request target in the one form that rules judge and that goes upstream ("what is judged is
// what is forwarded"). No allocation: results are views into the input or into the caller's buffer.
// Pure functions: any thread, any input.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace ocsproxy::rules {

enum class TargetError : std::uint8_t {
  none,
  empty,                  // no target, or one that does not begin with "/" and is not absolute-form
  raw_byte,               // control, space or non-ASCII in the target, "#", "\" before the query
  bad_escape,             // "%" without two hexadecimal digits
  encoded_nul,            // %00
  encoded_separator,      // %2F or %5C in the path
  encoded_control,        // %01..%1F or %7F in the path
  bad_utf8,               // escapes that decode to no valid UTF-8
  above_root,             // ".." that leaves the root
  parameter_traversal,    // "..;" or ".;" segments
  stream_suffix,          // "::$" and ":$": a stream of an NTFS file or directory
  trailing_dot_or_space,  // a segment that ends in "." or " ", with or without its ;parameters
  userinfo,               // absolute-form with user@
  foreign_scheme,         // absolute-form with a scheme other than the listener's
  too_long,               // does not fit the buffer
  // Reservations: such a target has a canonical form, and whoever forwards it needs a reason.
  double_encoding,  // a second decoding would change the path
  high_bit,         // characters above U+007F, in UTF-8
};
// A phrase for the log and for --explain: "an encoded slash or backslash in the path".
std::string_view describe(TargetError error);

struct CanonicalTarget {
  std::string_view path;   // begins with "/"; pchar escapes decoded, the others in upper-case hex
  std::string_view query;  // with its "?", byte for byte as it came; "" when none
  std::string_view authority;  // of absolute-form, raw, never empty there; "" for origin-form
  // What the path that was sent had in it. In `path` both are as one decoding leaves them: an
  // escape of "%", and of what is above U+007F.
  bool double_encoded = false;
  bool high_bit = false;
};

// double_encoding or high_bit for a target that is refused unless an HTTP filter lets it pass; else
// none.
TargetError reservation(const CanonicalTarget& target);

// `target` as it stands in the request line (RFC 9112 3.2.1 and 3.2.2); `https`: does it come from
// a TLS listener. `buffer` receives the path where it differs from what was sent; as long as
// `target` is enough for every target that RFC 3986 allows, and three times as long for any. It
// must not overlap `target`. On an error other than none, `result` is not to be used.
TargetError canonicalize(std::string_view target, bool https, std::span<char> buffer,
                         CanonicalTarget& result);

// A buffer of this size is enough for every name that parse_authority accepts.
inline constexpr std::size_t kAuthorityBufferSize = 256;

// A Host value or an authority: the name in lower case without one trailing dot; an IP literal in
// the one form that IpAddress::to_string gives it, without brackets; the port (0: none). False:
// malformed (RFC 9110 7.2, RFC 3986 3.2), which is also: no name at all, percent-escapes, and
// characters that no host name has. `buffer` receives the name where it differs from `text`.
struct Authority {
  std::string_view name;
  std::uint16_t port = 0;
  bool is_address = false;  // an IP literal
};
bool parse_authority(std::string_view text, std::span<char> buffer, Authority& result);

}  // namespace ocsproxy::rules
