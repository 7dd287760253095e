// The handshake messages of an established TLS 1.3 connection, put together from records.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace ocsproxy {

class HandshakeMessages {
 public:
  // Tickets are the longest: some kilobytes where they carry certificates.
  static constexpr std::size_t kLongest = std::size_t{64} * 1024;

  // The content of one record; then `next` until it has no more.
  void add(std::span<const char> content) { bytes_.append(content.data(), content.size()); }
  // The next whole message (RFC 8446 4: type, 24 bits of length, body); empty when there is none.
  // Valid until `add`.
  std::span<const char> next() {
    const std::size_t size = announced();
    if (size == 0 || bytes_.size() - at_ < size) {
      bytes_.erase(0, at_);
      at_ = 0;
      return {};
    }
    const std::span<const char> message(bytes_.data() + at_, size);
    at_ += size;
    return message;
  }
  // Nothing is left behind the last message that `next` gave.
  bool at_end() const { return at_ == bytes_.size(); }
  // What was begun is longer than anything that may come.
  bool too_long() const { return announced() > kLongest; }

 private:
  std::size_t announced() const {
    if (bytes_.size() - at_ < 4) return 0;
    const auto byte = [&](std::size_t i) {
      return static_cast<std::size_t>(static_cast<unsigned char>(bytes_[at_ + i]));
    };
    return 4 + (byte(1) << 16 | byte(2) << 8 | byte(3));
  }

  std::string bytes_;
  std::size_t at_ = 0;
};

}  // namespace ocsproxy
