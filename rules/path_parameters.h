// A path as origins see it that take ;parameters out.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace ocsproxy::rules {

// `path` as an origin sees it that takes ;parameters out of each segment: without them, and without
// the empty segments that this leaves. A part of `buffer`, which is at least as long as `path`.
inline std::string_view without_parameters(std::string_view path, std::span<char> buffer) {
  std::size_t size = 0;
  bool in_parameters = false;
  for (const char c : path) {
    if (c == '/') in_parameters = false;
    if (c == ';') in_parameters = true;
    if (in_parameters || (c == '/' && size > 0 && buffer[size - 1] == '/')) continue;
    buffer[size++] = c;
  }
  return {buffer.data(), size};
}

// The same as a text of its own.
inline std::string without_parameters(std::string_view path) {
  std::string buffer(path.size(), '\0');
  buffer.resize(without_parameters(path, buffer).size());
  return buffer;
}

}  // namespace ocsproxy::rules
