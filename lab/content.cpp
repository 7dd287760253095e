#include "lab/content.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "base/units.h"

namespace ocsproxy::lab {

void fill_content(std::uint64_t offset, std::span<char> into) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  constexpr std::size_t kLine = 16;
  std::size_t done = 0;
  while (done < into.size()) {
    std::array<char, kLine> line{};
    std::uint64_t number = (offset + done) / kLine;
    for (std::size_t at = kLine - 1; at-- > 0; number >>= 4) line[at] = kDigits[number & 15];
    line[kLine - 1] = '\n';
    const std::size_t from = (offset + done) % kLine;
    const std::size_t size = std::min(kLine - from, into.size() - done);
    std::copy_n(line.begin() + static_cast<std::ptrdiff_t>(from), size,
                into.begin() + static_cast<std::ptrdiff_t>(done));
    done += size;
  }
}

RangeAnswer range_of(std::string_view field, std::uint64_t size) {
  const RangeAnswer whole{RangeKind::whole, {0, size}};
  constexpr std::string_view kUnit = "bytes=";
  if (!istarts_with(field, kUnit)) return whole;
  const std::string_view text = trim(field.substr(kUnit.size()));
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos) return whole;
  const auto first = parse_number(text.substr(0, dash));
  const auto last = parse_number(text.substr(dash + 1));
  const bool suffix = dash == 0 && last;
  const bool open = first && dash + 1 == text.size();
  if (!suffix && !open && (!first || !last || *last < *first)) return whole;

  if (suffix) {
    if (*last == 0 || size == 0) return {RangeKind::unsatisfiable, {}};
    const std::uint64_t length = std::min(*last, size);
    return {RangeKind::part, {size - length, length}};
  }
  if (*first >= size) return {RangeKind::unsatisfiable, {}};
  const std::uint64_t end = open ? size - 1 : std::min(*last, size - 1);
  return {RangeKind::part, {*first, end - *first + 1}};
}

}  // namespace ocsproxy::lab
