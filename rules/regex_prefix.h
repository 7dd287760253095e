// Where in the tree of paths a regex has to be tried, and where it cannot match.
#pragma once

#include <string>
#include <string_view>

namespace ocsproxy::rules {

// A pattern as the text that comes first and what has to follow it: "/owa.a" and "[bc]" of
// "/owa\.a[bc]".
struct SplitPattern {
  // In lower case; every path begins with it that the pattern can match as a whole. "" when nothing
  // is certain, which is always right.
  std::string literal;
  std::string_view rest;  // of the pattern, without a "^" that stood before the literal
};
SplitPattern split_pattern(std::string_view pattern);

// A directory, in lower case and without its last "/", below which every path lies that `pattern`
// can match as a whole: "/owa/auth" for "/owa/auth/.*\.dat". "" when nothing is certain, which is
// always right and only costs time.
std::string literal_directory(std::string_view pattern);

}  // namespace ocsproxy::rules
