// Writes the head of one message into a buffer. A piece that does not fit, or a byte of a peer that
// could end a line early, spoils the whole: nobody has to check each step, and no half head is ever
// sent.
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "base/text.h"

namespace ocsproxy {

class HeadWriter {
 public:
  explicit HeadWriter(std::span<char> out) : out_(out) {}

  // Text of the proxy's own, line ends included.
  HeadWriter& text(std::string_view piece) {
    if (piece.size() > out_.size() - size_) {
      spoiled_ = true;
    } else if (!piece.empty()) {
      std::memcpy(out_.data() + size_, piece.data(), piece.size());
      size_ += piece.size();
    }
    return *this;
  }
  HeadWriter& number(std::uint64_t value) {
    char digits[20];
    const char* const end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    return text({digits, static_cast<std::size_t>(end - digits)});
  }
  // Text that a peer or the configuration chose. The parser refuses control characters; this is
  // the last look before the other side's parser.
  HeadWriter& foreign(std::string_view piece) {
    if (has_control(piece)) spoiled_ = true;
    return text(piece);
  }
  HeadWriter& field(std::string_view name, std::string_view value) {
    return foreign(name).text(": ").foreign(value).text("\r\n");
  }

  // Where the next piece will lie. What somebody wrote there is taken by `append`, without copying
  // it onto itself.
  std::span<char> room() { return out_.subspan(size_); }
  HeadWriter& append(std::string_view piece) {
    if (piece.data() != out_.data() + size_) return foreign(piece);
    if (has_control(piece)) spoiled_ = true;
    size_ += piece.size();
    return *this;
  }
  void spoil() { spoiled_ = true; }

  // Bytes written; 0 when the head is spoiled.
  std::size_t size() const { return spoiled_ ? 0 : size_; }

 private:
  std::span<char> out_;
  std::size_t size_ = 0;
  bool spoiled_ = false;
};

}  // namespace ocsproxy
