// Text of a configuration as messages show it, and what may not be in it at all.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace ocsproxy::settings {

// Where the first byte stands that no configuration may have: a control character other than tab
// and line end (a carriage return only before a line feed), or what is not UTF-8 (RFC 3629).
// npos when there is none. Such text could not be shown without doing harm to a terminal or a log.
std::size_t find_unprintable(std::string_view text);

// In double quotes; control characters and bytes that are not UTF-8 become \xNN, and what is longer
// than a line is cut.
std::string shown(std::string_view text);

}  // namespace ocsproxy::settings
