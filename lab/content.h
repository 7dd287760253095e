// File content that nobody stores: any part of it can be made, and checked, from its offset alone.
// The content is lines of 16 bytes, each the number of the line in 15 hexadecimal digits:
// "000000000000000\n000000000000001\n"...
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace ocsproxy::lab {

// The bytes from `offset` on.
void fill_content(std::uint64_t offset, std::span<char> into);

// A part of a file: RFC 9110 14.1.2, one range only.
struct ByteRange {
  std::uint64_t first = 0;
  std::uint64_t length = 0;
};
enum class RangeKind : std::uint8_t { whole, part, unsatisfiable };
struct RangeAnswer {
  RangeKind kind = RangeKind::whole;
  ByteRange range;
};
// What to send of a file of `size` bytes for this value of Range; "" is the whole. Several ranges,
// other units and broken values are answered with the whole, as the RFC allows.
RangeAnswer range_of(std::string_view field, std::uint64_t size);

}  // namespace ocsproxy::lab
