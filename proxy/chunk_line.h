// The line before the data of a chunk (RFC 9112 7.1): its size and its extensions, byte by byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ocsproxy {

class ChunkLine {
 public:
  enum class Step : std::uint8_t { more, complete, malformed, too_large };

  static constexpr unsigned kMaxDigits = 15;  // leading zeros included; sizes stay below 2^60
  static constexpr std::size_t kMaxExtensionBytes = 1024;

  Step take(char c);
  void reset() { *this = ChunkLine(); }

  bool started() const { return digits_ > 0; }
  std::uint64_t size() const { return size_; }
  std::size_t extension_bytes() const { return extension_bytes_; }  // of this line, so far
  std::string_view why() const { return why_; }  // after malformed or too_large; a literal

 private:
  // What the bytes so far end with. The grammar:
  //   chunk-size *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] ) CRLF
  enum class After : std::uint8_t {
    size,
    size_or_value_space,  // only ";" may follow
    semicolon,
    name,
    name_space,
    equals,
    value,
    quote,
    backslash,
    closing_quote,
    cr,
  };

  Step take_size(char c);
  Step take_extension(char c);
  Step take_quoted(char c);
  Step between(char c, bool end_allowed, bool equals_allowed);
  Step go(After next) {
    after_ = next;
    return Step::more;
  }
  Step fail(std::string_view why) {
    why_ = why;
    return Step::malformed;
  }

  std::uint64_t size_ = 0;
  std::size_t extension_bytes_ = 0;
  std::string_view why_;
  unsigned digits_ = 0;
  After after_ = After::size;
};

}  // namespace ocsproxy
