#include "check/exposure_report.h"

#include "base/json.h"
#include "check/region_text.h"
#include "settings/shown_text.h"

namespace ocsproxy {
namespace {

const settings::Rule& rule_of(const PolicyFile& policy, const Exposed& one) {
  return policy.settings.rules[one.rule];
}

std::string joined(const std::vector<std::string>& texts) {
  std::string result;
  for (const std::string& text : texts) result += (result.empty() ? "" : "; ") + text;
  return result;
}

}  // namespace

std::string doubt_text(const Exposed& one) {
  return std::string(one.regexes.size() == 1 ? "the regex " : "the regexes ") +
         regexes_text(one.regexes) + (one.regexes.size() == 1 ? " decides" : " decide") +
         " which of these";
}

std::string exposure_as_text(std::span<const NetworkExposure> networks, const PolicyFile& policy) {
  std::string text;
  for (const NetworkExposure& network : networks) {
    text += network.network + (network.exposed.empty() ? " reaches nothing\n\n" : " reaches\n\n");
    for (const Exposed& one : network.exposed) {
      const settings::Rule& rule = rule_of(policy, one);
      text += labelled("site", site_text(rule)) + labelled("paths", joined(one.paths));
      if (!one.is_certain()) text += labelled("but", doubt_text(one));
      text += labelled("names", one.names) + labelled("methods", one.methods) +
              labelled("from", one.from) + labelled("listener", one.listener) +
              labelled("by", "rule " + settings::shown(*rule.name) + " (" +
                                 place_of(policy, one.rule) + ')');
      if (one.example) text += labelled("example", one.example->to_string());
      text += '\n';
    }
  }
  return text;
}

std::string exposure_as_json(std::span<const NetworkExposure> networks, const PolicyFile& policy) {
  JsonWriter json;
  json.begin_object().key("networks").begin_array();
  for (const NetworkExposure& network : networks) {
    json.begin_object().field("network", network.network).key("reaches").begin_array();
    for (const Exposed& one : network.exposed) {
      const settings::Rule& rule = rule_of(policy, one);
      json.begin_object().field("site", site_text(rule)).key("paths").begin_array();
      for (const std::string& path : one.paths) json.text(path);
      json.end_array().key("certain").boolean(one.is_certain()).key("regexes").begin_array();
      for (const std::string& regex : one.regexes) json.text(regex);
      json.end_array();
      json.field("names", one.names).field("methods", one.methods).field("from", one.from);
      json.field("listener", one.listener).field("rule", *rule.name);
      json.field("file", policy.sources.path(rule.name.where.file));
      json.field("line", rule.name.where.line);
      if (one.example) write_witness(json, *one.example);
      json.end_object();
    }
    json.end_array().end_object();
  }
  json.end_array().end_object();
  return json.take();
}

}  // namespace ocsproxy
