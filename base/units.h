// Sizes and durations as the configuration writes them.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ocsproxy {

// "500ms", "120s", "15m", "2h", "1d"; a number alone is refused, so that nobody guesses the unit.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);
// "64k", "10m", "1g" (powers of 1024), or bytes without a unit.
std::optional<std::uint64_t> parse_size(std::string_view text);
// Decimal digits only, the whole text; empty on anything else or on overflow.
std::optional<std::uint64_t> parse_number(std::string_view text);
// The shortest form that parse_duration reads back: "1800s" becomes "30m".
std::string format_duration(std::chrono::milliseconds duration);
// The shortest form that parse_size reads back: 32768 becomes "32k".
std::string format_size(std::uint64_t bytes);

}  // namespace ocsproxy
