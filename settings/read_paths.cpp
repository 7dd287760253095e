// The forms of a path: "/dir/*", "/file", {external, internal} and {regex}. Whether a path is in
// the form in which requests are compared, and the syntax of a regex, is for rules/ to say.
#include "settings/fields.h"
#include "settings/readers.h"
#include "settings/shown_text.h"

namespace ocsproxy::settings {
namespace {

struct Pattern {
  Path::Kind kind = Path::Kind::prefix;
  std::string text;
};

struct Fault {
  std::string why;
  std::string mend;
};

std::string quoted(std::string_view text) { return '"' + std::string(text) + '"'; }

std::optional<Fault> wildcard_fault(std::string_view text) {
  const std::size_t star = text.find('*');
  if (star == std::string_view::npos) return std::nullopt;
  if (star + 1 == text.size() && text[star - 1] == '/') return std::nullopt;
  if (star + 1 == text.size()) {
    return Fault{" has a wildcard inside a segment",
                 "write " + quoted(std::string(text.substr(0, star)) + "/*") +
                     " for the directory and all below it, or a {regex: ...}"};
  }
  return Fault{" has a wildcard inside it",
               "\"/dir/*\" is /dir and all below it; for more use a "
               "{regex: ...}"};
}

std::optional<Fault> path_fault(std::string_view text) {
  if (text.find("://") != std::string_view::npos) {
    return Fault{" is a URL, and only its path belongs here", {}};
  }
  if (text == "*") return Fault{" is no path", "\"/*\" is every path"};
  if (!text.starts_with('/')) {
    return Fault{" does not begin with a slash", "write " + quoted('/' + std::string(text))};
  }
  if (text.find_first_of("?#") != std::string_view::npos) {
    return Fault{" has a query or fragment, which rules do not look at",
                 "the path ends before the ? or #"};
  }
  return wildcard_fault(text);
}

std::optional<Pattern> read_pattern(const Node& node, std::string_view key, Findings& findings) {
  const auto text = read_text(node, key, findings);
  if (!text) return std::nullopt;
  if (const auto fault = path_fault(*text)) {
    findings.error("bad-path", node.where, shown(*text) + fault->why, fault->mend);
    return std::nullopt;
  }
  if (text->ends_with("/*")) {
    return Pattern{Path::Kind::prefix, std::string(text->substr(0, text->size() - 2))};
  }
  return Pattern{Path::Kind::exact, std::string(*text)};
}

std::optional<Path> read_mapping(const Node& external, const Node& internal, Location where,
                                 Findings& findings) {
  auto from = read_pattern(external, "external", findings);
  auto to = read_pattern(internal, "internal", findings);
  if (!from || !to) return std::nullopt;
  if (from->kind != to->kind) {
    findings.error("bad-path", where, "\"external\" and \"internal\" need the same form",
                   "both end in \"/*\", or neither does");
    return std::nullopt;
  }
  return Path{external.where, from->kind, std::move(from->text), std::move(to->text),
              internal.where};
}

std::optional<Path> read_regex(const Node* node, Findings& findings) {
  if (node == nullptr) return std::nullopt;
  const auto text = read_text(*node, "regex", findings);
  if (!text) return std::nullopt;
  return Path{node->where, Path::Kind::regex, std::string(*text), std::string(*text), node->where};
}

std::optional<Path> read_map(const Node& node, Findings& findings) {
  Fields fields(node, "a path", findings);
  const Node* const external = fields.find("external");
  const Node* const internal = fields.find("internal");
  const Node* const regex = fields.find("regex");
  const bool mapped = fields.has("external") || fields.has("internal");
  if (fields.has("regex") && mapped) {
    findings.error("contradiction", node.where,
                   "a path is either \"regex\", or \"external\" and \"internal\"",
                   "what a regex matches is not mapped");
  }
  if (!fields.has("regex") && !mapped) {
    fields.missing("regex", "{regex: \"...\"}, or {external: /abs/*, internal: /abs/ext/*}");
  }
  for (const std::string_view key : {"external", "internal"}) {
    if (mapped && !fields.has("regex") && !fields.has(key)) {
      fields.missing(key, "{external: /abs/*, internal: /abs/ext/*}");
    }
  }
  fields.finish();
  if (!mapped) return read_regex(regex, findings);
  if (external == nullptr || internal == nullptr) return std::nullopt;
  return read_mapping(*external, *internal, node.where, findings);
}

}  // namespace

std::optional<Path> read_plain_path(const Node& node, Findings& findings) {
  auto pattern = read_pattern(node, "paths", findings);
  if (!pattern) return std::nullopt;
  return Path{node.where, pattern->kind, pattern->text, pattern->text, node.where};
}

void read_paths(const Node& list, std::vector<Path>& paths, Findings& findings) {
  for (const Node& item : list.items) {
    if (item.kind == Node::Kind::broken) continue;
    auto path =
        item.kind == Node::Kind::map ? read_map(item, findings) : read_plain_path(item, findings);
    if (path) paths.push_back(*std::move(path));
  }
}

}  // namespace ocsproxy::settings
