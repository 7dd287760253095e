// Where in the tree of paths a regex has to be tried, and where it cannot match.
#pragma once

#include <string>
#include <string_view>

namespace ocsproxy::rules {

// The text, in lower case, that every path begins with that `pattern` can match as a whole:
// "/owa.a" for "/owa\.a[bc]". "" when nothing is certain, which is always right.
std::string literal_prefix(std::string_view pattern);

// A directory, in lower case and without its last "/", below which every path lies that `pattern`
// can match as a whole: "/owa/auth" for "/owa/auth/.*\.dat". "" when nothing is certain, which is
// always right and only costs time.
std::string literal_directory(std::string_view pattern);

}  // namespace ocsproxy::rules
