// The fields after the last chunk (RFC 9112 7.1.2), byte by byte. They are kept until the section
// is complete, so that a bad one is never half sent; those that could change how a message is read
// are dropped.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace ocsproxy {

class TrailerSection {
 public:
  enum class Step : std::uint8_t { more, complete, malformed, too_large };

  static constexpr std::size_t kMaxBytes = 8192;  // as received, with all line ends
  static constexpr std::size_t kMaxFields = 32;

  // After complete it is not to be called again.
  Step take(char c);

  // The end of a chunked message: last chunk, the fields that may go on, empty line. Valid after
  // complete, as long as this object.
  std::span<const char> message_end() const { return std::span(text_).first(size_); }
  std::string_view why() const { return why_; }  // after malformed or too_large; a literal

 private:
  static constexpr std::string_view kLastChunk = "0\r\n";

  Step finish_line();
  Step fail(std::string_view why) {
    why_ = why;
    return Step::malformed;
  }
  Step too_large(std::string_view why) {
    why_ = why;
    return Step::too_large;
  }

  // Uninitialised on purpose: most messages have no trailer, and only text_[0, size_) is read.
  std::array<char, kMaxBytes + kLastChunk.size()> text_;
  std::size_t size_ = 0;      // in use, with the line that is being read
  std::size_t line_ = 0;      // where that line begins
  std::size_t received_ = 0;  // bytes taken
  std::size_t fields_ = 0;
  bool cr_ = false;
  std::string_view why_;
};

// May a trailer field of that name be passed on? Not what RFC 9110 6.5.1 forbids (framing, routing,
// authentication, content, conditions, response control), and not what the proxy removes from
// heads.
bool trailer_may_pass(std::string_view name);

}  // namespace ocsproxy
