// Where the data of tests is: the one place that is compiled with the checkout's path, so that the
// compiler's cache serves every checkout with all else.
#pragma once

#include <string>
#include <string_view>

namespace ocsproxy::test {

// "conf" -> the path of conf/ in the sources that the tests were built from.
std::string source_path(std::string_view relative);

}  // namespace ocsproxy::test
