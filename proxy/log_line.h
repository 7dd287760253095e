// One line of the access log while it is written: pieces with bounds, so that no sender can make
// the line longer than its buffer.
#pragma once

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "base/ip_address.h"

namespace ocsproxy {

// The caller sees to it that all bounds and literals together fit the buffer.
class LogLine {
 public:
  enum class Quoting : std::uint8_t { plain, json };

  LogLine(std::span<char> buffer, Quoting quoting) : out_(buffer.data()), quoting_(quoting) {}

  // Text of the proxy's own.
  LogLine& literal(std::string_view piece) {
    std::memcpy(out_ + size_, piece.data(), piece.size());
    size_ += piece.size();
    return *this;
  }
  // The `foreign` pieces up to the next `bound` share `max` characters, escapes included; what does
  // not fit ends in "...".
  LogLine& bound(std::size_t max) {
    limit_ = size_ + max;
    cut_ = false;
    return *this;
  }
  // Text that somebody sent or configured: one line of printable ASCII whatever it is.
  LogLine& foreign(std::string_view piece) {
    for (const char c : piece) {
      if (cut_) break;
      if (size_ + kLongestCharacter + kCutMark.size() > limit_) {
        literal(kCutMark);
        cut_ = true;
      } else {
        put(c);
      }
    }
    return *this;
  }
  // Was what stands in `field`, written with that bound, cut? Also true of the few texts that ended
  // so by themselves, a hair below the bound.
  static bool is_cut(std::string_view field, std::size_t max) {
    return field.size() > max - kLongestCharacter - kCutMark.size() && field.ends_with(kCutMark);
  }
  // At least `width` digits.
  LogLine& number(std::uint64_t value, std::size_t width = 1) {
    char digits[20];
    const auto size =
        static_cast<std::size_t>(std::to_chars(digits, digits + sizeof digits, value).ptr - digits);
    for (std::size_t i = size; i < width; ++i) literal("0");
    return literal({digits, size});
  }
  LogLine& address(const IpAddress& ip) {
    std::array<char, IpAddress::kTextSize> text;
    return literal(ip.write(text));
  }

  std::string_view text() const { return {out_, size_}; }

 private:
  static constexpr std::size_t kLongestCharacter = 5;  // \\x5c in JSON
  static constexpr std::string_view kCutMark = "...";

  void put(char c) {
    constexpr std::string_view kHex = "0123456789abcdef";
    const auto byte = static_cast<unsigned char>(c);
    const bool json = quoting_ == Quoting::json;
    if (byte < 0x20 || byte > 0x7e || c == '\\') {
      literal(json ? "\\\\x" : "\\x");
      out_[size_++] = kHex[byte >> 4U];
      out_[size_++] = kHex[byte & 15U];
      return;
    }
    if (json && c == '"') out_[size_++] = '\\';
    out_[size_++] = c;
  }

  char* out_;
  Quoting quoting_;
  std::size_t size_ = 0;
  std::size_t limit_ = 0;
  bool cut_ = false;
};

}  // namespace ocsproxy
