#include "settings/yaml_reader.h"

#include <algorithm>
#include <array>
#include <map>
#include <numeric>
#include <optional>
#include <sstream>
#include <utility>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include "settings/shown_text.h"

namespace ocsproxy::settings {
namespace {

// What the parser's words mostly mean to the one who wrote the file.
struct Advice {
  std::string_view message;  // a part of it
  std::string_view mend;
};
constexpr std::string_view kUneven =
    "it is indented like no line above: the keys of one map, and the entries of one list, stand in "
    "one column";
constexpr std::array<Advice, 10> kAdvice{{
    {"illegal tab", "indent with spaces: YAML allows no tabs there"},
    {"illegal map value",
     "a value that has \": \" in it needs quotes, and keys of one map the same indentation"},
    {"illegal block entry", "a \"- \" begins a line of its own, indented like its neighbours"},
    {"end of map not found", kUneven},
    {"end of sequence not found", kUneven},
    {"end of map flow", "the { here is not closed, or a comma is missing"},
    {"end of sequence flow", "the [ here is not closed, or a comma is missing"},
    {"illegal flow end", "it closes what was not opened, or something else"},
    {"unknown token", "a value that begins with @, ` or % needs quotes"},
    {"unknown escape",
     "between \" and \" a backslash is written \\\\; between ' and ' it is itself"},
}};

std::string_view advice_for(std::string_view message, std::string_view line) {
  if (line.substr(0, line.find_first_not_of(" \t")).find('\t') != std::string_view::npos) {
    return kAdvice[0].mend;
  }
  const auto* const found = std::find_if(
      kAdvice.begin(), kAdvice.end(),
      [message](const Advice& a) { return message.find(a.message) != std::string_view::npos; });
  return found == kAdvice.end() ? std::string_view() : found->mend;
}

// Builds one Node a time and hands it on.
class Reader : public YAML::EventHandler {
 public:
  Reader(std::uint32_t file, EntryHandler& handler, Findings& findings)
      : file_(file), handler_(handler), findings_(findings) {}

  // The collection that was open when the events ended.
  std::optional<Location> innermost_open() const {
    if (open_.empty()) return std::nullopt;
    return open_.back().node.where;
  }
  // The last scalar in quotes or of a block.
  const Location& last_quoted() const { return last_quoted_; }
  // Where the parser found no value and took nothing, so that it would stay there for ever.
  const std::optional<Location>& stuck_at() const { return stuck_at_; }
  // True when a part was reported and left out.
  bool left_out() const { return left_out_; }
  // To be called when the file has ended well.
  void flush() {
    if (!pending_) return;
    const Node element = *std::move(pending_);
    pending_.reset();
    handler_.on_element(pending_key_, element);
  }

  void OnDocumentStart(const YAML::Mark& mark) override {
    ++documents_;
    const Location begin = place(mark);
    if (documents_ > 1 && begin == document_begin_) stuck_at_ = begin;
    document_begin_ = begin;
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override {
    flush();
    // The parser gives the place of what follows; the key or the list is where nothing stands.
    Location where = place(mark);
    if (!open_.empty()) {
      where = open_.back().has_key ? open_.back().key.where : open_.back().node.where;
    }
    if (!starts_value(Node::Kind::null, where)) return;
    deliver({Node::Kind::null, false, where, {}, {}, {}});
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    flush();
    findings_.error("yaml-alias", place(mark), "YAML aliases are not read here",
                    "write the value itself");
    if (starts_value(Node::Kind::broken, place(mark))) {
      deliver({Node::Kind::broken, false, place(mark), {}, {}, {}});
    }
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                const std::string& value) override {
    flush();
    const Location where = place(mark);
    const bool quoted = tag == "!";
    if (quoted) last_quoted_ = where;
    check_tag(tag, where);
    if (!starts_value(Node::Kind::scalar, where)) return;
    deliver({Node::Kind::scalar, quoted, where, value, {}, {}});
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    start_collection(Node::Kind::sequence, tag, place(mark));
  }
  void OnSequenceEnd() override { end_collection(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    start_collection(Node::Kind::map, tag, place(mark));
  }
  void OnMapEnd() override { end_collection(); }

 private:
  struct Open {
    Node node;
    bool has_key = false;  // map: the key has come, its value not yet
    bool bad_key = false;  // and it was no key, so that the value is dropped
    Located<std::string> key;
    bool streamed = false;  // elements go to the handler, not into `node`
    bool has_elements = false;
  };

  Location place(const YAML::Mark& mark) const {
    return {file_, static_cast<std::uint32_t>(mark.line + 1),
            static_cast<std::uint32_t>(mark.column + 1)};
  }

  void check_tag(const std::string& tag, Location where) {
    if (tag.empty() || tag == "?" || tag == "!") return;
    findings_.error("yaml-tag", where, "YAML tags are not read here", "remove the !...");
  }

  // Checks what stands at the top. False: the value is to be dropped.
  bool starts_value(Node::Kind kind, Location where) {
    if (dropped_depth_ > 0) return false;
    if (!open_.empty() || kind == Node::Kind::null) return true;
    left_out_ = documents_ > 1 || kind != Node::Kind::map;
    if (documents_ > 1 && kind != Node::Kind::broken) {
      findings_.error("yaml-documents", where, "a second YAML document begins here",
                      "one file is one document: remove a line of --- or ..., and indent all "
                      "top-level keys alike");
      return false;
    }
    if (kind == Node::Kind::map || kind == Node::Kind::broken) return true;
    findings_.error("not-a-map", where, "the file does not begin with a key",
                    "at the top stand keys such as listeners: and rules:");
    return false;
  }

  void start_collection(Node::Kind kind, const std::string& tag, Location where) {
    flush();
    check_tag(tag, where);
    if (!starts_value(kind, where)) {
      ++dropped_depth_;
      return;
    }
    Open open;
    open.node.kind = kind;
    open.node.where = where;
    open.streamed = kind == Node::Kind::sequence && open_.size() == 1 && open_.back().has_key &&
                    !open_.back().bad_key && handler_.wants_elements(*open_.back().key);
    open_.push_back(std::move(open));
  }

  void end_collection() {
    flush();
    if (dropped_depth_ > 0) {
      --dropped_depth_;
      return;
    }
    Open done = std::move(open_.back());
    open_.pop_back();
    if (open_.empty()) return;  // the top-level map: its entries are with the handler
    if (done.node.kind == Node::Kind::map) remove_duplicates(done.node);
    if (done.streamed && done.has_elements) {
      open_.back().has_key = false;
      return;
    }
    deliver(std::move(done.node));
  }

  void deliver(Node node) {
    if (open_.empty()) return;  // a document that is empty or only an alias
    Open& parent = open_.back();
    if (parent.node.kind == Node::Kind::sequence) {
      parent.has_elements = true;
      if (parent.streamed) {
        // An element before a line that is no YAML may be a part of one: wait for what follows.
        pending_ = std::move(node);
        pending_key_ = open_.front().key;
      } else {
        parent.node.items.push_back(std::move(node));
      }
    } else if (!parent.has_key) {
      take_key(parent, std::move(node));
    } else {
      take_value(parent, std::move(node));
    }
  }

  void take_key(Open& map, Node node) {
    map.has_key = true;
    map.bad_key = node.kind != Node::Kind::scalar;
    if (map.bad_key && node.kind != Node::Kind::broken) {
      findings_.error("bad-key", node.where, "a key is a word, followed by \": \"");
    }
    map.key = {std::move(node.text), node.where};
    if (open_.size() == 1 && !map.bad_key) map.bad_key = is_second(map.key);
  }

  void take_value(Open& map, Node node) {
    map.has_key = false;
    if (map.bad_key) return;
    if (open_.size() == 1) {
      handler_.on_entry(map.key, node);
    } else {
      map.node.keys.push_back(std::move(map.key));
      map.node.items.push_back(std::move(node));
    }
  }

  void report_duplicate(const Located<std::string>& key, Location first) {
    findings_.error(
        "duplicate-key", key.where,
        shown(*key) + " is given twice; line " + std::to_string(first.line) + " has it already");
  }

  bool is_second(const Located<std::string>& key) {
    const auto [first, is_new] = top_level_.emplace(*key, key.where);
    if (!is_new) report_duplicate(key, first->second);
    return !is_new;
  }

  // Keeps the first of each. Sorting, since a map of networks may be long.
  void remove_duplicates(Node& map) {
    if (map.keys.size() < 2) return;
    std::vector<std::size_t> order(map.keys.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return *map.keys[a] < *map.keys[b]; });
    std::vector<bool> drop(order.size());
    bool any = false;
    std::size_t first = order[0];
    for (std::size_t i = 1; i < order.size(); ++i) {
      if (*map.keys[order[i]] != *map.keys[first]) {
        first = order[i];
        continue;
      }
      report_duplicate(map.keys[order[i]], map.keys[first].where);
      drop[order[i]] = any = true;
    }
    if (any) keep_others(map, drop);
  }

  static void keep_others(Node& map, const std::vector<bool>& drop) {
    Node kept;
    for (std::size_t i = 0; i < drop.size(); ++i) {
      if (drop[i]) continue;
      kept.keys.push_back(std::move(map.keys[i]));
      kept.items.push_back(std::move(map.items[i]));
    }
    map.keys = std::move(kept.keys);
    map.items = std::move(kept.items);
  }

  const std::uint32_t file_;
  EntryHandler& handler_;
  Findings& findings_;
  std::vector<Open> open_;
  std::size_t dropped_depth_ = 0;  // collections within what is dropped
  std::size_t documents_ = 0;
  Location document_begin_;
  std::optional<Location> stuck_at_;
  bool left_out_ = false;
  std::optional<Node> pending_;
  Located<std::string> pending_key_;
  Location last_quoted_;
  std::map<std::string, Location> top_level_;
};

std::string_view line_of(std::string_view text, std::uint32_t line) {
  for (std::uint32_t skipped = 1; skipped < line; ++skipped) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return {};
    text.remove_prefix(end + 1);
  }
  return text;
}

// What follows `where`.
std::string_view text_from(std::string_view text, const Location& where) {
  text = line_of(text, where.line);
  text.remove_prefix(std::min<std::size_t>(where.column - 1, text.size()));
  return text;
}

// Does the quote that `text` begins with have its end? True also when it begins with none.
bool is_closed(std::string_view text) {
  if (text.empty() || (text.front() != '"' && text.front() != '\'')) return true;
  const char quote = text.front();
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (quote == '"' && text[i] == '\\') {
      ++i;
    } else if (text[i] == quote) {
      if (quote == '"' || i + 1 == text.size() || text[i + 1] != quote) return true;
      ++i;
    }
  }
  return false;
}

void report_syntax(const YAML::ParserException& error, std::string_view text, std::uint32_t file,
                   const Reader& reader, Findings& findings) {
  Location where{file, static_cast<std::uint32_t>(std::max(error.mark.line, 0) + 1),
                 static_cast<std::uint32_t>(std::max(error.mark.column, 0) + 1)};
  // At the end of the file the parser has no place to tell: then it is the bracket left open.
  if (error.msg.find("flow not found") != std::string::npos) {
    where = reader.innermost_open().value_or(where);
  }
  std::string_view line = line_of(text, where.line);
  line = line.substr(0, line.find('\n'));
  // The parser reads the end of the file as a control character, counts it and quotes it.
  where.column = std::min(where.column, static_cast<std::uint32_t>(line.size() + 1));
  const std::string message = error.msg.substr(0, find_unprintable(error.msg));
  findings.error("yaml-syntax", where, "this is not YAML: " + message,
                 std::string(advice_for(message, line)));
}

// The parser takes the end of the file for the end of a quote, and all in between for the value.
bool report_open_quote(const Location& quoted, std::string_view text, Findings& findings) {
  if (quoted.line == 0 || is_closed(text_from(text, quoted))) return false;
  findings.error("yaml-syntax", quoted, "this quote is not closed",
                 "all up to the end of the file counts as one value");
  return true;
}

}  // namespace

bool read_yaml(const std::string& text, std::uint32_t file, EntryHandler& handler,
               Findings& findings) {
  Reader reader(file, handler, findings);
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    while (!reader.stuck_at() && parser.HandleNextDocument(reader)) {
    }
  } catch (const YAML::ParserException& error) {
    if (!report_open_quote(reader.last_quoted(), text, findings)) {
      report_syntax(error, text, file, reader, findings);
    }
    return false;
  }
  if (reader.stuck_at()) {
    findings.error("yaml-syntax", *reader.stuck_at(),
                   "this is not YAML: no key and no value begins so",
                   "remove it, or put what begins so in quotes");
    return false;
  }
  if (report_open_quote(reader.last_quoted(), text, findings)) return false;
  reader.flush();
  return !reader.left_out();
}

}  // namespace ocsproxy::settings
