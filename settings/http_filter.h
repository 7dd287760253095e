// What an HTTP filter says (`http_filters`, and `http_filter` of a rule): what of the messages that
// a rule allows is refused all the same, as ISA Server's HTTP security filter did for each rule.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/finding.h"

namespace ocsproxy::settings {

struct HttpFilter {
  enum class Mode : std::uint8_t {
    enforce,
    report,  // nothing is refused; the access log says what would have been
  };

  // Words of which a message has one: only those may be, or those may not.
  struct Words {
    enum class Kind : std::uint8_t { any, allow, deny };
    Kind kind = Kind::any;
    Location where;
    std::vector<Located<std::string>> words;  // empty for `any` alone
  };

  // What becomes of a header that tells clients about the software.
  struct Told {
    enum class Kind : std::uint8_t { keep, strip, replace };
    Kind kind = Kind::keep;
    std::string text;  // replace
  };

  enum class Place : std::uint8_t {
    url,               // path and query
    request_headers,   // the lines "Name: value"
    response_headers,  // likewise
    request_body,      // its first bytes
    response_body,     // likewise
  };
  struct Signature {
    static constexpr std::uint32_t kDefaultFirst = 1024;
    Location where;
    Located<std::string> name;
    Located<Place> place;
    Located<std::string> pattern;                 // RE2
    Located<std::uint32_t> first{kDefaultFirst};  // bodies only: how many bytes are looked at
  };

  Location where;
  Located<std::string> name;  // "": it stands in its rule
  Located<Mode> mode{Mode::enforce, {}};
  // In bytes. ISA Server's defaults.
  Located<std::uint32_t> max_header_length{32768, {}};       // all fields of the request
  Located<std::uint32_t> max_url_length{10240, {}};          // path and query
  Located<std::uint32_t> max_query_length{10240, {}};        // without the "?"
  std::optional<Located<std::uint64_t>> max_payload_length;  // empty: any
  Located<bool> verify_normalization{true, {}};              // double-encoded paths are refused
  Located<bool> block_high_bit{true, {}};              // paths with characters above U+007F are
  Located<bool> block_windows_executables{false, {}};  // as the body of a response
  Words methods;
  Words extensions;                                    // lower case, with the dot; "none" is none
  std::vector<Located<std::string>> request_headers;   // denied: the request is refused
  std::vector<Located<std::string>> response_headers;  // denied: removed
  Told server_header;
  Told via_header;
  std::vector<Signature> signatures;
};

// A request without an extension, in `extensions`.
inline constexpr std::string_view kNoExtension = "none";

// Do two filters refuse and change the same, wherever and under whatever name they stand?
bool same_effect(const HttpFilter& a, const HttpFilter& b);

}  // namespace ocsproxy::settings
