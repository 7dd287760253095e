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
  constexpr std::size_t kWord = sizeof(std::uint64_t);
  if (text.size() < kWord) return has_control_bytewise(text);
  const auto suspicious_at = [&](std::size_t at) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data() + at, kWord);
    return suspicious(word);
  };
  // The last word overlaps the one before it, so that no byte is looked at alone.
  std::uint64_t found = suspicious_at(text.size() - kWord);
  for (std::size_t at = 0; at + kWord < text.size(); at += kWord) found |= suspicious_at(at);
  return found != 0 && has_control_bytewise(text);
}

}  // namespace ocsproxy
