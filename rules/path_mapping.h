// Path mapping: what a published path is called on the internal site, and back again for Location
// and cookies. No allocation: results are views into the input or into the caller's buffer, which
// must not overlap the input. Pure functions: any thread.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "settings/settings.h"

namespace ocsproxy::rules {

// The path that goes upstream. `path` is canonical, without query, and matched by `mapping`; what
// follows a mapped prefix keeps its case, and a path that is not mapped goes on as it came. Empty:
// `path` is not matched by `mapping`, or `buffer` is too short (path and internal prefix together
// are always enough).
std::optional<std::string_view> internal_path(const settings::Path& mapping, std::string_view path,
                                              std::span<char> buffer);

// The inverse: the path that clients see. Empty: `mapping` publishes nothing as that path, or
// `buffer` is too short. Regex entries map nothing, so every path is its own inverse.
std::optional<std::string_view> external_path(const settings::Path& mapping, std::string_view path,
                                              std::span<char> buffer);

}  // namespace ocsproxy::rules
