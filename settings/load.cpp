#include "settings/load.h"

#include <algorithm>
#include <array>
#include <map>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "base/text.h"
#include "settings/cross_checks.h"
#include "settings/fields.h"
#include "settings/named_files.h"
#include "settings/readers.h"
#include "settings/shown_text.h"
#include "settings/yaml_reader.h"

namespace ocsproxy::settings {
namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

// A key at the top of a file.
struct TopLevel {
  enum class Form : std::uint8_t {
    joined,    // what several files say is put together
    elements,  // the same, and `read` takes one element of the list
    once,      // one file may say it
  };
  std::string_view key;
  Form form;
  void (*read)(const Node& node, Reading& reading);
  bool Complete::*complete;  // nullptr: nothing refers to it
};
constexpr std::array<TopLevel, 13> kTopLevel{{
    {"networks", TopLevel::Form::joined, read_networks, &Complete::networks},
    {"trusted_roots", TopLevel::Form::joined, read_trusted_roots, &Complete::trusted_roots},
    {"listeners", TopLevel::Form::elements, read_listener, &Complete::listeners},
    {"rules", TopLevel::Form::elements, read_rule, &Complete::rules},
    {"http_filters", TopLevel::Form::elements, read_http_filter, &Complete::http_filters},
    {"expectations", TopLevel::Form::elements, read_expectation, nullptr},
    {"dns", TopLevel::Form::elements, read_dns_record, nullptr},
    {"flood_mitigation", TopLevel::Form::once, read_flood_mitigation, nullptr},
    {"limits", TopLevel::Form::once, read_process_limits, nullptr},
    {"access_log", TopLevel::Form::once, read_access_log, nullptr},
    {"workers", TopLevel::Form::once, read_workers, nullptr},
    {"drain", TopLevel::Form::once, read_drain, nullptr},
    {"kernel_tls", TopLevel::Form::once, read_kernel_tls, nullptr},
}};

// After a file that was not read to its end.
constexpr Complete kNothing{false, false, false, false, false};

const TopLevel* find_top_level(std::string_view key) {
  const auto* const found = std::ranges::find(kTopLevel, key, &TopLevel::key);
  return found == kTopLevel.end() ? nullptr : found;
}

// Hands each entry of the files to its reader.
class Dispatch : public EntryHandler {
 public:
  explicit Dispatch(Reading& reading) : reading_(reading) {}

  bool wants_elements(std::string_view key) const override {
    const TopLevel* const entry = find_top_level(key);
    return entry != nullptr && entry->form == TopLevel::Form::elements;
  }

  void on_element(const Located<std::string>& key, const Node& element) override {
    const TopLevel& entry = *find_top_level(*key);
    if (element.kind == Node::Kind::map) {
      entry.read(element, reading_);
      return;
    }
    mark_incomplete(entry);
    if (element.kind == Node::Kind::null) {
      reading_.findings.error("missing-value", element.where,
                              "an entry of \"" + *key + "\" is empty");
    } else {
      report_type(element, *key, "maps of keys", reading_.findings, "for example  - name: ...");
    }
  }

  void on_entry(const Located<std::string>& key, const Node& value) override {
    const TopLevel* const entry = find_top_level(*key);
    if (entry == nullptr) {
      report_unknown(key);
      return;
    }
    if (value.kind == Node::Kind::null) {
      reading_.findings.error("missing-value", key.where, '"' + *key + "\" has no value",
                              "give it one, or remove the key");
    } else if (entry->form == TopLevel::Form::elements) {
      (void)is_list(value, *key, reading_.findings);  // it is none, or it is empty
    } else if (value.kind != Node::Kind::broken) {
      if (entry->form == TopLevel::Form::joined || is_first(key)) entry->read(value, reading_);
      return;
    }
    mark_incomplete(*entry);
  }

 private:
  void mark_incomplete(const TopLevel& entry) {
    if (entry.complete != nullptr) reading_.complete.*entry.complete = false;
  }

  void report_unknown(const Located<std::string>& key) {
    std::array<std::string_view, kTopLevel.size()> keys;
    std::ranges::transform(kTopLevel, keys.begin(), &TopLevel::key);
    const std::string_view near = nearest_word(*key, keys);
    std::string mend =
        "at the top of a file stand networks, trusted_roots, listeners, rules, http_filters, "
        "expectations, dns, flood_mitigation, limits, access_log, workers and drain";
    if (!near.empty()) {
      mend = "did you mean \"" + std::string(near) + "\"?";
      mark_incomplete(*find_top_level(near));
    }
    reading_.findings.error("unknown-key", key.where, "the configuration has no key " + shown(*key),
                            std::move(mend));
  }

  bool is_first(const Located<std::string>& key) {
    const auto [first, is_new] = once_.emplace(*key, key.where);
    if (is_new) return true;
    const Location& where = first->second;
    reading_.findings.error("duplicate-key", key.where,
                            '"' + *key + "\" is given twice; " + reading_.sources.path(where.file) +
                                ':' + std::to_string(where.line) + " has it already");
    return false;
  }

  Reading& reading_;
  std::map<std::string, Location> once_;
};

std::uint32_t line_number(std::string_view text, std::size_t at) {
  return static_cast<std::uint32_t>(1 + std::ranges::count(text.substr(0, at), '\n'));
}

// What is no text is not kept, so that no finding can show it.
void report_not_text(const std::string& path, std::string_view text, std::size_t at,
                     Sources& sources, Reading& reading) {
  const std::uint32_t file = sources.add(path, {});
  const auto byte = static_cast<unsigned char>(text[at]);
  const std::string where = "line " + std::to_string(line_number(text, at)) + " of the file has ";
  reading.findings.error(
      "not-text", {file, 0, 0},
      byte < 0x80 ? where + "a control character in it" : where + "bytes that are not UTF-8",
      "save it as plain text in UTF-8");
  reading.complete = kNothing;
}

void read_configuration_file(const std::string& path, std::string text, Sources& sources,
                             EntryHandler& handler, Reading& reading) {
  if (text.starts_with(kByteOrderMark)) text.erase(0, kByteOrderMark.size());
  if (const std::size_t at = find_unprintable(text); at != std::string::npos) {
    report_not_text(path, text, at, sources, reading);
    return;
  }
  const std::uint32_t file = sources.add(path, text);
  if (!read_yaml(text, file, handler, reading.findings)) reading.complete = kNothing;
}

// `path` is a file when it is its own and only listing.
bool is_file(const std::string& path, std::span<const std::string> listing) {
  return listing.size() == 1 && listing.front() == path;
}

std::string directory_of(const std::string& file) {
  const std::size_t slash = file.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : file.substr(0, slash);
}

void read_all(std::span<const std::string> listing, Files& files, Sources& sources,
              Reading& reading) {
  Dispatch dispatch(reading);
  for (const std::string& path : listing) {
    Result<std::string> text = files.read(path);
    if (text) {
      read_configuration_file(path, *std::move(text), sources, dispatch, reading);
      continue;
    }
    reading.findings.error("file-unreadable", {sources.add(path, {}), 0, 0}, text.error().detail,
                           "every *.yaml and *.yml file of the directory is read");
    reading.complete = kNothing;
  }
}

}  // namespace

Result<Loaded> load(const std::string& path, Files& files, NamedFiles named) {
  auto listing = files.configuration_files(path);
  if (!listing) return std::move(listing).error();
  Loaded loaded;
  Reading reading{.sources = loaded.sources, .findings = loaded.findings};
  reading.settings.directory = path;
  if (is_file(path, *listing)) {
    const auto text = files.read(path);
    if (!text) return text.error();
    reading.settings.directory = directory_of(path);
  } else if (listing->empty()) {
    loaded.findings.error("no-files", {}, path + " has no *.yaml or *.yml file in it");
    return loaded;
  }
  read_all(*listing, files, loaded.sources, reading);
  check_whole(reading);
  if (named == NamedFiles::read) read_named_files(reading.settings, files, loaded.findings);
  loaded.findings.sort();
  loaded.settings = std::move(reading.settings);
  return loaded;
}

}  // namespace ocsproxy::settings
