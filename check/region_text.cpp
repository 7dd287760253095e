#include "check/region_text.h"

#include <algorithm>

#include "settings/shown_text.h"

namespace ocsproxy {
namespace {

// More boxes than these are counted, not shown.
constexpr std::size_t kMostBoxes = 10;
constexpr std::size_t kLabelWidth = 10;

std::string joined(const std::vector<std::string>& texts) {
  std::string result;
  for (const std::string& text : texts) result += (result.empty() ? "" : "; ") + text;
  return result;
}

}  // namespace

std::string labelled(std::string_view label, std::string_view text) {
  std::string line = "  " + std::string(label);
  line.resize(std::max(line.size() + 1, kLabelWidth + 2), ' ');
  return line.append(text).append("\n");
}

std::string site_text(const settings::Rule& rule) {
  std::string text = *rule.bridging == settings::Bridging::https ? "https://" : "http://";
  text += *rule.to->site + ':' + std::to_string(*rule.to->port);
  for (std::size_t i = 0; i < rule.to->addresses.size(); ++i) {
    text += (i == 0 ? " at " : ", ") + *rule.to->addresses[i];
  }
  return text;
}

std::string place_of(const PolicyFile& policy, std::uint32_t rule) {
  const Location& where = policy.settings.rules[rule].name.where;
  return policy.sources.path(where.file) + ':' + std::to_string(where.line);
}

std::string rule_text(const PolicyFile& policy, std::uint32_t rule) {
  return "rule " + settings::shown(*policy.settings.rules[rule].name) + " (" +
         place_of(policy, rule) + ')';
}

void write_rule(JsonWriter& json, const PolicyFile& policy, std::uint32_t rule) {
  const settings::Rule& one = policy.settings.rules[rule];
  json.field("rule", *one.name);
  json.field("file", policy.sources.path(one.name.where.file));
  json.field("line", one.name.where.line);
  if (one.to) json.field("site", site_text(one));
  if (!one.redirect->empty()) json.field("redirect", *one.redirect);
}

std::string regexes_text(const std::set<std::string>& regexes) {
  std::string text;
  for (const std::string& regex : regexes) {
    text += (text.empty() ? "" : ", ") + settings::shown(regex);
  }
  return text;
}

std::string boxes_text(const rules::RequestSpace& space, std::uint32_t number,
                       std::span<const rules::Box> boxes) {
  std::string text;
  for (const rules::Box& box : boxes.first(std::min(boxes.size(), kMostBoxes))) {
    const rules::BoxText words = rules::describe(space, number, box);
    text += labelled("names", words.names) + labelled("paths", joined(words.paths)) +
            labelled("methods", words.methods) + labelled("from", words.from);
  }
  if (boxes.size() > kMostBoxes) {
    text += labelled("and", std::to_string(boxes.size() - kMostBoxes) +
                                " more such sets of requests (--format json has all)");
  }
  return text;
}

void write_boxes(JsonWriter& json, const rules::RequestSpace& space, std::uint32_t number,
                 std::span<const rules::Box> boxes) {
  json.key("requests").begin_array();
  for (const rules::Box& box : boxes) {
    const rules::BoxText words = rules::describe(space, number, box);
    json.begin_object().field("names", words.names).key("paths").begin_array();
    for (const std::string& path : words.paths) json.text(path);
    json.end_array().field("methods", words.methods).field("from", words.from).end_object();
  }
  json.end_array();
}

void write_witness(JsonWriter& json, const rules::Witness& witness) {
  json.key("example").begin_object();
  json.field("listener", witness.listener).field("scheme", witness.https ? "https" : "http");
  json.field("from", witness.client.to_string()).field("method", witness.method);
  json.field("name", witness.name).field("path", witness.path).end_object();
}

}  // namespace ocsproxy
