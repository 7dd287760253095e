#include "check/exposure_report.h"

#include "base/json.h"
#include "check/region_text.h"
#include "settings/shown_text.h"

namespace ocsproxy {
namespace {

constexpr std::string_view kDoubt = "a regex decides which of these";

const settings::Rule& rule_of(const PolicyFile& policy, const Exposed& one) {
  return policy.settings.rules[one.rule];
}

std::string joined(const std::vector<std::string>& texts) {
  std::string result;
  for (const std::string& text : texts) result += (result.empty() ? "" : "; ") + text;
  return result;
}

// For text and attributes of HTML.
std::string html(std::string_view text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      case '\'':
        result += "&#39;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

constexpr std::string_view kPageHead = R"(<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Exposure</title>
<style>
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 75em; padding: 0 1em; }
table { border-collapse: collapse; width: 100%; margin-bottom: 2em; }
th, td { border: 1px solid #bbb; padding: .4em .6em; text-align: left; vertical-align: top; }
th { background: #eee; }
td { overflow-wrap: anywhere; }
.doubt { color: #a40; }
</style>
</head>
<body>
)";

std::string cell(std::string_view text) { return "<td>" + html(text) + "</td>"; }

std::string html_row(const Exposed& one, const PolicyFile& policy) {
  const settings::Rule& rule = rule_of(policy, one);
  std::string paths;
  for (const std::string& path : one.paths) paths += html(path) + "<br>";
  if (!one.certain) paths += "<span class=\"doubt\">" + html(kDoubt) + "</span>";
  return "<tr>" + cell(site_text(rule)) + "<td>" + paths + "</td>" + cell(one.from) +
         cell(one.names) + cell(one.methods) +
         cell(*rule.name + " (" + place_of(policy, one.rule) + ')') + cell(one.listener) +
         "</tr>\n";
}

}  // namespace

std::string exposure_as_text(std::span<const NetworkExposure> networks, const PolicyFile& policy) {
  std::string text;
  for (const NetworkExposure& network : networks) {
    text += network.network + (network.exposed.empty() ? " reaches nothing\n\n" : " reaches\n\n");
    for (const Exposed& one : network.exposed) {
      const settings::Rule& rule = rule_of(policy, one);
      text += labelled("site", site_text(rule)) + labelled("paths", joined(one.paths));
      if (!one.certain) text += labelled("but", kDoubt);
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
      json.end_array().key("certain").boolean(one.certain);
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

std::string exposure_as_html(std::span<const NetworkExposure> networks, const PolicyFile& policy) {
  std::string page(kPageHead);
  page += "<h1>Exposure of " + html(policy.settings.directory) + "</h1>\n";
  page +=
      "<p>Which network reaches which URLs of internal sites: all that the rules allow, and "
      "nothing "
      "else.</p>\n";
  for (const NetworkExposure& network : networks) {
    page += "<h2>" + html(network.network) + "</h2>\n";
    if (network.exposed.empty()) {
      page += "<p>It reaches nothing.</p>\n";
      continue;
    }
    page +=
        "<table>\n<tr><th>Internal site</th><th>Paths there</th><th>From</th><th>Public names</th>"
        "<th>Methods</th><th>Rule</th><th>Listener</th></tr>\n";
    for (const Exposed& one : network.exposed) page += html_row(one, policy);
    page += "</table>\n";
  }
  return page + "</body>\n</html>\n";
}

}  // namespace ocsproxy
