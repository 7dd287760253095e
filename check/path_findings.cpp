#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/text.h"
#include "check/policy_findings.h"
#include "rules/regex_prefix.h"
#include "settings/shown_text.h"

namespace ocsproxy {
namespace {

using settings::Path;
using settings::Rule;
using settings::shown;

std::string written(Path::Kind kind, const std::string& text) {
  return shown(kind == Path::Kind::prefix ? text + "/*" : text);
}
std::string written(const Path& path) { return written(path.kind, path.external); }

using PathsByText = std::unordered_map<std::string, const Path*>;

std::string_view directory_of(std::string_view path) { return path.substr(0, path.rfind('/')); }

// The one whose text `path` is, or else the nearest directory above it; null for none.
const Path* nearest_above(const PathsByText& paths, std::string_view path) {
  for (;; path = directory_of(path)) {
    const auto found = paths.find(std::string(path));
    if (found != paths.end()) return found->second;
    if (path.empty()) return nullptr;
  }
}

// --- paths that never match, because one before them in the same rule takes what they are for ---

class Covered {
 public:
  Covered(const Rule& rule, Findings& findings) : rule_(rule), findings_(findings) {}

  // The prefixes that are not covered: those that requests come by.
  std::vector<const Path*> check() {
    std::vector<const Path*> used;
    for (const Path& path : rule_.paths) {
      if (const Path* const before = covering(path)) {
        report(*before, path);
      } else if (path.kind == Path::Kind::prefix) {
        used.push_back(&path);
      }
      if (path.kind == Path::Kind::prefix) prefixes_.try_emplace(lower(path.external), &path);
      if (path.kind == Path::Kind::exact) exact_.try_emplace(lower(path.external), &path);
      if (path.kind == Path::Kind::regex) regexes_.try_emplace(path.external, &path);
    }
    return used;
  }

 private:
  const Path* covering(const Path& path) const {
    const bool regex = path.kind == Path::Kind::regex;
    if (regex && regexes_.contains(path.external)) return regexes_.at(path.external);
    const std::string text = regex ? rules::literal_directory(path.external) : lower(path.external);
    if (path.kind == Path::Kind::exact && exact_.contains(text)) return exact_.at(text);
    return nearest_above(prefixes_, text);
  }

  // Does a path that both match become the same on the site?
  static bool same_effect(const Path& before, const Path& path) {
    if (path.kind == Path::Kind::regex) return before.internal == before.external;
    return iequals(before.internal + path.external.substr(before.external.size()), path.internal);
  }

  void report(const Path& before, const Path& path) {
    const std::string at = " at line " + std::to_string(before.where.line);
    if (same_effect(before, path)) {
      findings_.note("path-covered", path.where,
                     written(path) + " is needless: " + written(before) + at +
                         " of the same rule has it already" +
                         (iequals(before.external, path.external) ? "; case does not matter" : ""),
                     "remove one of them");
    } else {
      findings_.warning("mapping-never-used", path.where,
                        written(path) + " never becomes " + written(path.kind, path.internal) +
                            ": " + written(before) + at + " stands before it and takes it",
                        "the first path that matches decides: put the longer one first");
    }
  }

  const Rule& rule_;
  Findings& findings_;
  PathsByText prefixes_;
  PathsByText exact_;
  PathsByText regexes_;
};

// --- mappings by which a link of the site has two ways back ---

void check_ways_back(const std::vector<const Path*>& prefixes, Findings& findings) {
  PathsByText by_internal;
  for (const Path* const path : prefixes) {
    const auto [first, is_first] = by_internal.try_emplace(lower(path->internal), path);
    if (is_first) continue;
    findings.note("mappings-overlap", path->internal_where,
                  written(*first->second) + " at line " +
                      std::to_string(first->second->where.line) + " becomes " +
                      written(path->kind, path->internal) +
                      " too: a link of the site to it has two ways back",
                  "give the directory one public path; a link goes back by the path that the "
                  "request matched, else by the first of the list");
  }
  for (const auto& [internal, path] : by_internal) {
    if (internal.empty()) continue;
    const Path* const above = nearest_above(by_internal, directory_of(internal));
    const bool both_as_they_are = above == nullptr || (above->internal == above->external &&
                                                       path->internal == path->external);
    if (both_as_they_are) continue;
    findings.note("mappings-overlap", path->internal_where,
                  written(path->kind, path->internal) + " lies in " +
                      written(above->kind, above->internal) + ", which " + written(*above) +
                      " at line " + std::to_string(above->where.line) +
                      " becomes: a link of the site to it has two ways back",
                  "give the directory one public path; a link goes back by the path that the "
                  "request matched, else by the first of the list");
  }
}

// --- forms that say less than is meant ---

void check_exact(const Rule& rule, Findings& findings) {
  if (*rule.action != settings::Action::allow) return;
  for (const Path& path : rule.paths) {
    if (path.kind != Path::Kind::exact || path.external == "/") continue;
    const std::string_view last =
        std::string_view(path.external).substr(path.external.rfind('/') + 1);
    if (last.find('.') != std::string_view::npos) continue;
    const std::string directory =
        last.empty() ? path.external.substr(0, path.external.size() - 1) : path.external;
    const bool has_both = std::ranges::any_of(rule.paths, [&](const Path& other) {
      return other.kind == Path::Kind::prefix && iequals(other.external, directory);
    });
    if (has_both) continue;
    findings.note("path-exact", path.where,
                  written(path) + " is exactly that path, and nothing below it",
                  "for the directory and all below it write \"" + directory + "/*\"");
  }
}

// The text that a regex stands for when it has no operators; `rest` is what follows it.
std::optional<std::string> literal_of(std::string_view pattern, std::string_view& rest) {
  std::string text;
  std::size_t at = 0;
  while (at < pattern.size()) {
    const char c = pattern[at];
    if (c == '\\' && at + 1 < pattern.size() && !is_alpha(pattern[at + 1]) &&
        !is_digit(pattern[at + 1])) {
      text += pattern[at + 1];
      at += 2;
    } else if (std::string_view("\\.*+?()[]{}|^$").find(c) == std::string_view::npos) {
      text += c;
      ++at;
    } else {
      break;
    }
  }
  rest = pattern.substr(at);
  return text.starts_with('/') || text.empty() ? std::optional(text) : std::nullopt;
}

// The path that says the same as a regex, or nearly.
std::optional<std::string> plain_form(std::string_view pattern) {
  if (pattern.starts_with('^')) pattern.remove_prefix(1);
  if (pattern.ends_with('$') && !pattern.ends_with("\\$")) pattern.remove_suffix(1);
  std::string_view rest;
  const auto text = literal_of(pattern, rest);
  if (!text) return std::nullopt;
  if (rest.empty() && !text->empty()) return *text;
  if (rest == ".*" && (text->empty() || *text == "/")) return "/*";
  if (rest == ".*" && text->ends_with('/')) return *text + '*';
  if ((rest == "(/.*)?" || rest == "(?:/.*)?") && !text->empty()) return *text + "/*";
  return std::nullopt;
}

void check_regexes(const Rule& rule, Findings& findings) {
  for (const Path& path : rule.paths) {
    if (path.kind != Path::Kind::regex) continue;
    if (const auto plain = plain_form(path.external)) {
      findings.note("regex-needless", path.where, "no regex is needed for " + shown(path.external),
                    "write " + shown(*plain) + ": it is found faster, and can be proven about");
    }
    const rules::SplitPattern split = rules::split_pattern(path.external);
    if (!split.literal.empty() && split.literal.front() != '/') {
      findings.warning("regex-without-slash", path.where,
                       shown(path.external) +
                           " matches no path: each begins with a slash, and the regex is for all "
                           "of it",
                       "begin it with \"/\", or with \".*\" where it may stand anywhere");
    }
  }
}

}  // namespace

void check_paths(const Rule& rule, Findings& findings) {
  check_ways_back(Covered(rule, findings).check(), findings);
  check_exact(rule, findings);
  check_regexes(rule, findings);
}

}  // namespace ocsproxy
