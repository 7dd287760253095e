#include "base/units.h"

#include <array>
#include <limits>
#include <span>
#include <utility>

#include "base/text.h"

namespace ocsproxy {
namespace {

struct Unit {
  std::string_view suffix;
  std::uint64_t factor;
};

// Milliseconds a unit; the longer suffix first, since "ms" ends in "s" and "m" is a prefix of "ms".
constexpr std::array<Unit, 5> kDurations{
    {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}}};
constexpr std::array<Unit, 3> kSizes{{{"k", 1ULL << 10}, {"m", 1ULL << 20}, {"g", 1ULL << 30}}};

std::optional<std::uint64_t> scaled(std::string_view digits, std::uint64_t factor) {
  const auto number = parse_number(digits);
  if (!number || *number > std::numeric_limits<std::int64_t>::max() / factor) return std::nullopt;
  return *number * factor;
}

// By the largest unit that it is a multiple of; `units` ascend.
std::string in_largest(std::uint64_t count, Unit best, std::span<const Unit> units) {
  for (const Unit& unit : units) {
    if (count != 0 && count % unit.factor == 0) best = unit;
  }
  return std::to_string(count / best.factor) + std::string(best.suffix);
}

}  // namespace

std::optional<std::uint64_t> parse_number(std::string_view text) {
  if (text.empty()) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text) {
    if (!is_digit(c)) return std::nullopt;
    const auto digit = static_cast<std::uint64_t>(c - '0');
    if (value > (std::numeric_limits<std::uint64_t>::max() - digit) / 10) return std::nullopt;
    value = value * 10 + digit;
  }
  return value;
}

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  for (const Unit& unit : kDurations) {
    if (!text.ends_with(unit.suffix)) continue;
    const auto value = scaled(text.substr(0, text.size() - unit.suffix.size()), unit.factor);
    if (!value) return std::nullopt;
    return std::chrono::milliseconds(static_cast<std::int64_t>(*value));
  }
  return std::nullopt;
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  if (text.empty()) return std::nullopt;
  for (const Unit& unit : kSizes) {
    if (to_lower(text.back()) == unit.suffix.front()) {
      return scaled(text.substr(0, text.size() - 1), unit.factor);
    }
  }
  return scaled(text, 1);
}

std::string format_duration(std::chrono::milliseconds duration) {
  return in_largest(static_cast<std::uint64_t>(duration.count()), kDurations.front(), kDurations);
}

std::string format_size(std::uint64_t bytes) { return in_largest(bytes, {"", 1}, kSizes); }

}  // namespace ocsproxy
