#include "proxy/head_writer.h"

#include <cstdint>

namespace ocsproxy {
namespace {

constexpr bool is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte < 0x20 && byte != '\t') || byte == 0x7f;
}

// Eight bytes at once: a set top bit where a byte is below 0x20 or is 0x7f. HTAB counts too, so a
// hit is looked at byte by byte.
constexpr std::uint64_t suspicious(std::uint64_t word) {
  constexpr std::uint64_t kOnes = 0x0101010101010101;
  constexpr std::uint64_t kTops = 0x8080808080808080;
  const std::uint64_t low = (word - kOnes * 0x20) & ~word;
  const std::uint64_t del_as_zero = word ^ (kOnes * 0x7f);
  const std::uint64_t del = (del_as_zero - kOnes) & ~del_as_zero;
  return (low | del) & kTops;
}

bool has_control_bytewise(std::string_view text) {
  for (const char c : text) {
    if (is_control(c)) return true;
  }
  return false;
}

}  // namespace

bool has_control(std::string_view text) {
  while (text.size() >= sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data(), sizeof word);
    if (suspicious(word) != 0 && has_control_bytewise(text.substr(0, sizeof word))) return true;
    text.remove_prefix(sizeof word);
  }
  return has_control_bytewise(text);
}

}  // namespace ocsproxy
