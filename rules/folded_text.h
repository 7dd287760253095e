// Text compared without regard to ASCII case, eight bytes at a time: the keys of the rule table.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace ocsproxy::rules {

namespace detail {

inline std::uint64_t load_bytes(const char* from, std::size_t count) {
  std::uint64_t word = 0;
  std::memcpy(&word, from, count);
  return word;
}

// Each byte of `word` that is A..Z in lower case; the others as they are.
inline std::uint64_t fold_word(std::uint64_t word) {
  constexpr std::uint64_t kEach = 0x0101010101010101;
  const std::uint64_t low = word & (kEach * 0x7f);
  const std::uint64_t from_a = low + kEach * (0x80 - 'A');
  const std::uint64_t beyond_z = low + kEach * (0x7f - 'Z');
  const std::uint64_t upper = (from_a ^ beyond_z) & ~word & (kEach * 0x80);
  return word | upper >> 2;
}

// The last 1 to 7 bytes of a text, folded. Two loads that overlap instead of one of odd length.
inline std::uint64_t fold_tail(const char* from, std::size_t count) {
  if (count >= 4) {
    return fold_word(load_bytes(from, 4) | load_bytes(from + count - 4, 4) << 32);
  }
  const auto byte = [from](std::size_t at) {
    return static_cast<std::uint64_t>(static_cast<unsigned char>(from[at]));
  };
  return fold_word(byte(0) | byte(count / 2) << 8 | byte(count - 1) << 16);
}

inline std::uint64_t mix(std::uint64_t hash, std::uint64_t word) {
  hash = (hash ^ word) * 0x9fb21c651e98df25;
  return hash ^ hash >> 32;
}

}  // namespace detail

// Goes on from `hash` (or a seed) with `text`. The pieces matter: the hash of "ab" is not that of
// "a" and then "b".
inline std::uint64_t fold_hash(std::uint64_t hash, std::string_view text) {
  hash = detail::mix(hash, text.size());
  const char* at = text.data();
  std::size_t left = text.size();
  for (; left >= 8; at += 8, left -= 8) {
    hash = detail::mix(hash, detail::fold_word(detail::load_bytes(at, 8)));
  }
  return left == 0 ? hash : detail::mix(hash, detail::fold_tail(at, left));
}

// Precondition: `lower` has no upper-case ASCII letter.
inline bool equals_folded(std::string_view text, std::string_view lower) {
  if (text.size() != lower.size()) return false;
  const char* a = text.data();
  const char* b = lower.data();
  std::size_t left = text.size();
  for (; left >= 8; a += 8, b += 8, left -= 8) {
    if (detail::fold_word(detail::load_bytes(a, 8)) != detail::load_bytes(b, 8)) return false;
  }
  return left == 0 || detail::fold_tail(a, left) == detail::fold_tail(b, left);
}

}  // namespace ocsproxy::rules
