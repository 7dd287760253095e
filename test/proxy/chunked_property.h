// What must hold for every message in the chunked coding, however it is cut. Asked by unit tests
// and by the fuzz target.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace ocsproxy::test {

// Decodes `message`, cut into parts of these sizes, in both modes and compares with the obvious
// reader: the same verdict, the same data, an output that is a valid coding of that data and that
// was at no moment before the end complete or invalid. "" or what does not hold.
std::string chunked_violation(std::string_view message, const std::vector<std::size_t>& parts);

}  // namespace ocsproxy::test
