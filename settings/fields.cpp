#include "settings/fields.h"

#include "base/text.h"
#include "base/units.h"
#include "settings/shown_text.h"

namespace ocsproxy::settings {
namespace {

std::string kind_text(const Node& node) {
  switch (node.kind) {
    case Node::Kind::null:
      return "nothing";
    case Node::Kind::scalar:
      return node.quoted ? shown(node.text) + " in quotes" : shown(node.text);
    case Node::Kind::sequence:
      return "a list";
    case Node::Kind::map:
      return "a map";
    case Node::Kind::broken:
      break;
  }
  return "what stands here";
}

std::string quoted(std::string_view key) { return '"' + std::string(key) + '"'; }

// "a, b or c"
std::string joined(std::span<const std::string_view> words, std::string_view last) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i != 0) text += i + 1 == words.size() ? last : ", ";
    text += words[i];
  }
  return text;
}

std::string range_text(NumberRange range) {
  return "from " + std::to_string(range.least) + " to " + std::to_string(range.most);
}

}  // namespace

void report_type(const Node& node, std::string_view key, std::string_view wanted,
                 Findings& findings, std::string mend) {
  if (node.kind == Node::Kind::broken) return;
  findings.error(
      "wrong-type", node.where,
      quoted(key).append(" wants ").append(wanted).append(", not ").append(kind_text(node)),
      std::move(mend));
}

std::optional<std::string_view> read_text(const Node& node, std::string_view key,
                                          Findings& findings) {
  if (node.kind == Node::Kind::null) {
    findings.error("missing-value", node.where, "an entry of " + quoted(key) + " is empty");
    return std::nullopt;
  }
  if (node.kind != Node::Kind::scalar) {
    report_type(node, key, "text", findings);
    return std::nullopt;
  }
  if (node.text.empty()) {
    findings.error("missing-value", node.where, quoted(key) + " is empty");
    return std::nullopt;
  }
  // A line end or a tab is no part of anything that is read by this function.
  if (node.text.find_first_of("\t\r\n") != std::string::npos ||
      find_unprintable(node.text) != std::string::npos) {
    findings.error("bad-text", node.where, quoted(key) + " has control characters in it",
                   "it reads " + shown(node.text));
    return std::nullopt;
  }
  return node.text;
}

std::optional<std::size_t> read_word(const Node& node, std::string_view key,
                                     std::span<const std::string_view> words, Findings& findings) {
  const auto text = read_text(node, key, findings);
  if (!text) return std::nullopt;
  const auto found = std::ranges::find(words, *text);
  if (found != words.end()) return static_cast<std::size_t>(found - words.begin());
  const std::string_view near = words.size() > 1 ? nearest_word(*text, words) : std::string_view();
  findings.error("bad-word", node.where,
                 quoted(key) + " can be " + joined(words, " or ") + ", not " + shown(*text),
                 near.empty() ? "" : "did you mean " + quoted(near) + "?");
  return std::nullopt;
}

std::optional<bool> read_boolean(const Node& node, std::string_view key, Findings& findings) {
  const bool plain = node.kind == Node::Kind::scalar && !node.quoted;
  if (plain && (node.text == "true" || node.text == "false")) return node.text == "true";
  report_type(node, key, "true or false", findings);
  return std::nullopt;
}

std::optional<std::uint32_t> read_number(const Node& node, std::string_view key, NumberRange range,
                                         Findings& findings) {
  const std::string wanted = "a number " + range_text(range);
  const auto value = node.kind == Node::Kind::scalar ? parse_number(node.text) : std::nullopt;
  if (value && node.quoted) {
    report_type(node, key, wanted, findings, "remove the quotes: in quotes it is text");
    return std::nullopt;
  }
  if (!value) {
    report_type(node, key, wanted, findings);
    return std::nullopt;
  }
  if (*value < range.least || *value > range.most) {
    findings.error("out-of-range", node.where,
                   quoted(key) + " wants " + wanted + ", not " + node.text);
    return std::nullopt;
  }
  return static_cast<std::uint32_t>(*value);
}

std::optional<std::uint64_t> read_size(const Node& node, std::string_view key, SizeRange range,
                                       Findings& findings) {
  const bool plain = node.kind == Node::Kind::scalar && !node.quoted;
  const auto value = plain ? parse_size(node.text) : std::nullopt;
  if (!value) {
    report_type(node, key, "a size", findings, "for example 4096, 32k or 10m");
    return std::nullopt;
  }
  if (*value < range.least || *value > range.most) {
    findings.error("out-of-range", node.where,
                   quoted(key) + " can be from " + format_size(range.least) + " to " +
                       format_size(range.most) + " bytes, not " + node.text);
    return std::nullopt;
  }
  return value;
}

std::optional<milliseconds> read_duration(const Node& node, std::string_view key,
                                          DurationRange range, Findings& findings) {
  const auto value = node.kind == Node::Kind::scalar ? parse_duration(node.text) : std::nullopt;
  if (!value) {
    const bool bare = node.kind == Node::Kind::scalar && parse_number(node.text).has_value();
    report_type(node, key, "a duration", findings,
                bare ? "add the unit: " + node.text + "s are seconds, " + node.text + "m minutes"
                     : "for example 500ms, 20s, 15m or 2h");
    return std::nullopt;
  }
  if (*value < range.least || *value > range.most) {
    findings.error("out-of-range", node.where,
                   quoted(key) + " can be from " + format_duration(range.least) + " to " +
                       format_duration(range.most) + ", not " + node.text);
    return std::nullopt;
  }
  return value;
}

bool is_list(const Node& node, std::string_view key, Findings& findings) {
  if (node.kind != Node::Kind::sequence) {
    const bool scalar = node.kind == Node::Kind::scalar;
    const std::string_view quote = node.quoted ? "\"" : "";
    report_type(node, key, "a list", findings,
                scalar && find_unprintable(node.text) == std::string::npos
                    ? "write it as one:  " + std::string(key).append(": [").append(quote) +
                          node.text + std::string(quote) + "]"
                    : "");
    return false;
  }
  if (node.items.empty()) {
    findings.error("empty-list", node.where, quoted(key) + " is an empty list",
                   "remove the key, or say what belongs in the list");
    return false;
  }
  return true;
}

Fields::Fields(const Node& node, std::string_view what, Findings& findings)
    : node_(node), what_(what), findings_(findings) {
  if (node.kind == Node::Kind::map || node.kind == Node::Kind::broken) return;
  findings.error("wrong-type", node.where,
                 std::string(what).append(" is a map of keys, not ").append(kind_text(node)));
}

bool Fields::has(std::string_view key) const {
  return std::ranges::any_of(node_.keys, [key](const auto& other) { return *other == key; });
}

const Node* Fields::find(std::string_view key) {
  known_.push_back(key);
  const auto found =
      std::ranges::find_if(node_.keys, [key](const auto& other) { return *other == key; });
  if (found == node_.keys.end()) return nullptr;
  const Node& node = node_.items[static_cast<std::size_t>(found - node_.keys.begin())];
  if (node.kind == Node::Kind::null) {
    findings_.error("missing-value", found->where, quoted(key) + " has no value",
                    "give it one, or remove the key");
    return nullptr;
  }
  return node.kind == Node::Kind::broken ? nullptr : &node;
}

const Node* Fields::list(std::string_view key) {
  const Node* const node = find(key);
  return node != nullptr && is_list(*node, key, findings_) ? node : nullptr;
}

void Fields::missing(std::string_view key, std::string mend) {
  if (node_.kind == Node::Kind::map) missing_.push_back({key, std::move(mend)});
}

void Fields::text(std::string_view key, Located<std::string>& target) {
  const Node* const node = find(key);
  if (node == nullptr) return;
  if (const auto value = read_text(*node, key, findings_)) {
    target = {std::string(*value), node->where};
  }
}

void Fields::boolean(std::string_view key, Located<bool>& target) {
  const Node* const node = find(key);
  if (node == nullptr) return;
  if (const auto value = read_boolean(*node, key, findings_)) target = {*value, node->where};
}

void Fields::size(std::string_view key, SizeRange range, Located<std::uint64_t>& target) {
  const Node* const node = find(key);
  if (node == nullptr) return;
  if (const auto value = read_size(*node, key, range, findings_)) target = {*value, node->where};
}

void Fields::duration(std::string_view key, DurationRange range, Located<milliseconds>& target) {
  const Node* const node = find(key);
  if (node == nullptr) return;
  if (const auto value = read_duration(*node, key, range, findings_)) {
    target = {*value, node->where};
  }
}

void Fields::finish() {
  std::vector<std::string_view> meant;
  for (const Located<std::string>& key : node_.keys) {
    if (std::ranges::find(known_, *key) != known_.end()) continue;
    const std::string_view near = nearest_word(*key, known_);
    meant.push_back(near);
    std::string mend = near.empty() ? "its keys are " + joined(known_, " and ")
                                    : "did you mean " + quoted(near) + "?";
    if (key->find(':') != std::string::npos) mend = "a space belongs behind the colon of a key";
    findings_.error("unknown-key", key.where,
                    std::string(what_).append(" has no key ").append(shown(*key)), std::move(mend));
  }
  for (Missing& one : missing_) {
    if (std::ranges::find(meant, one.key) != meant.end()) continue;
    findings_.error("missing-key", node_.where,
                    std::string(what_).append(" needs ").append(quoted(one.key)),
                    std::move(one.mend));
  }
}

}  // namespace ocsproxy::settings
