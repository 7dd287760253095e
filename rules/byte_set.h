// Sets of bytes, as the character classes of a regex over paths name them.
#pragma once

#include <bitset>
#include <cstddef>
#include <optional>

#include "base/text.h"

namespace ocsproxy::rules {

using ByteSet = std::bitset<256>;

inline std::size_t byte_of(char c) { return static_cast<unsigned char>(c); }
inline ByteSet set_of(char c) { return ByteSet().set(byte_of(c)); }

// Empty when `last` comes before `first`.
inline ByteSet range_of(char first, char last) {
  ByteSet set;
  for (std::size_t byte = byte_of(first); byte <= byte_of(last); ++byte) set.set(byte);
  return set;
}

inline ByteSet word_characters() {
  return range_of('0', '9') | range_of('a', 'z') | range_of('A', 'Z') | set_of('_');
}

// What \d, \w, \s and their opposites stand for (RE2's syntax); nothing for other characters.
inline std::optional<ByteSet> class_of_escape(char c) {
  ByteSet set;
  switch (to_lower(c)) {
    case 'd':
      set = range_of('0', '9');
      break;
    case 'w':
      set = word_characters();
      break;
    case 's':
      for (const char space : {'\t', '\n', '\f', '\r', ' '}) set.set(byte_of(space));
      break;
    default:
      return std::nullopt;
  }
  return c == to_lower(c) ? set : ~set;
}

}  // namespace ocsproxy::rules
