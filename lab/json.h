// The little JSON that the pool writes.
#pragma once

#include <string>
#include <string_view>

namespace ocsproxy::lab {

// A JSON string with its quotes. Bytes above 0x7e become the characters of Latin-1 with the same
// numbers, so that any bytes can be told apart on the other side.
std::string json_string(std::string_view bytes);

}  // namespace ocsproxy::lab
