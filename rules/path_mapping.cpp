#include "rules/path_mapping.h"

#include <algorithm>

#include "base/text.h"

namespace ocsproxy::rules {
namespace {

using settings::Path;

// What follows `prefix` in `path` when the path is the prefix or lies below it; empty otherwise.
std::optional<std::string_view> below(std::string_view path, std::string_view prefix) {
  if (!istarts_with(path, prefix)) return std::nullopt;
  const std::string_view rest = path.substr(prefix.size());
  if (!rest.empty() && rest.front() != '/') return std::nullopt;
  return rest;
}

// `from` is what `path` is matched against, `to` what it becomes.
std::optional<std::string_view> replace(Path::Kind kind, std::string_view from, std::string_view to,
                                        std::string_view path, std::span<char> buffer) {
  if (kind == Path::Kind::regex) return path;
  const auto rest = below(path, from);
  if (!rest || (kind == Path::Kind::exact && !rest->empty())) return std::nullopt;
  if (from == to) return path;
  if (to.size() + rest->size() == 0) return "/";  // "/dir" mapped to the root
  if (to.size() + rest->size() > buffer.size()) return std::nullopt;
  std::copy(to.begin(), to.end(), buffer.begin());
  std::copy(rest->begin(), rest->end(), buffer.begin() + static_cast<std::ptrdiff_t>(to.size()));
  return std::string_view(buffer.data(), to.size() + rest->size());
}

}  // namespace

std::optional<std::string_view> internal_path(const Path& mapping, std::string_view path,
                                              std::span<char> buffer) {
  return replace(mapping.kind, mapping.external, mapping.internal, path, buffer);
}

std::optional<std::string_view> external_path(const Path& mapping, std::string_view path,
                                              std::span<char> buffer) {
  return replace(mapping.kind, mapping.internal, mapping.external, path, buffer);
}

}  // namespace ocsproxy::rules
