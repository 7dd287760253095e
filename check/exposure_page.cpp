// What --exposure prints for an auditor: besides what is reached, all that is needed to read it.
#include <algorithm>

#include "check/exposure_report.h"
#include "check/region_text.h"
#include "tls/x509_text.h"

namespace ocsproxy {
namespace {

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
td { overflow-wrap: break-word; }
.wide { min-width: 16em; overflow-wrap: anywhere; }
.note { color: #555; }
.doubt { color: #a40; }
</style>
</head>
<body>
)";

std::string cell(std::string_view text) { return "<td>" + html(text) + "</td>"; }

// "a, b"
template <class Value>
std::string listed(const std::vector<Located<Value>>& values, const auto& text_of) {
  std::string text;
  for (const auto& value : values) text += (text.empty() ? "" : ", ") + text_of(*value);
  return text;
}

std::string port_text(const char* scheme, std::uint16_t port) {
  return std::string(scheme) + ' ' + std::to_string(port);
}

std::string ports_of(const settings::Listener& listener) {
  std::string text;
  if (listener.https) text = port_text("https", *listener.https->port);
  if (!listener.http) return text;
  text += (text.empty() ? "" : ", ") + port_text("http", *listener.http->port);
  return text + (listener.http->redirect_to_https ? " (sends browsers to https)" : "");
}

std::string listeners_table(const std::vector<settings::Listener>& listeners) {
  std::string table =
      "<h2>Where requests come in</h2>\n<table>\n<tr><th>Listener</th><th>Addresses</th>"
      "<th>Ports</th><th>Serves clients of</th></tr>\n";
  for (const settings::Listener& listener : listeners) {
    const std::string addresses =
        listener.interface->empty()
            ? listed(listener.addresses, [](const IpAddress& one) { return one.to_string(); })
            : "those of " + *listener.interface;
    table += "<tr>" + cell(*listener.name) + cell(addresses) + cell(ports_of(listener)) +
             cell(listed(listener.networks, [](const std::string& one) { return one; })) +
             "</tr>\n";
  }
  return table + "</table>\n";
}

// Who the clients of a network are.
std::string members_of(const std::string& network, const settings::Settings& settings) {
  const auto known = std::ranges::find_if(
      settings.networks, [&](const settings::Network& one) { return *one.name == network; });
  std::string ranges =
      known == settings.networks.end()
          ? ""
          : listed(known->ranges, [](const AddressRange& one) { return one.to_string(); });
  if (network == settings::kLocalHost) return "the addresses of the proxy's own machine";
  if (network != settings::kExternal) return ranges;
  return "every address that is in no other network" + (ranges.empty() ? "" : ", and " + ranges);
}

std::string html_row(const Exposed& one, const PolicyFile& policy) {
  const settings::Rule& rule = policy.settings.rules[one.rule];
  std::string paths;
  for (const std::string& path : one.paths) paths += html(path) + "<br>";
  if (!one.is_certain()) paths += "<span class=\"doubt\">" + html(doubt_text(one)) + "</span><br>";
  if (one.example) {
    paths += "<span class=\"note\">for example " + html(one.example->to_string()) + "</span>";
  }
  return "<tr>" + cell(site_text(rule)) + "<td class=\"wide\">" + paths + "</td>" + cell(one.from) +
         cell(one.names) + cell(one.methods) +
         cell(*rule.name + " (" + place_of(policy, one.rule) + ')') + cell(one.listener) +
         "</tr>\n";
}

}  // namespace

std::string exposure_as_html(std::span<const NetworkExposure> networks, const PolicyFile& policy,
                             const std::string& path, std::chrono::system_clock::time_point now) {
  std::string page(kPageHead);
  page += "<h1>Exposure of " + html(path) + "</h1>\n";
  page +=
      "<p>Which network reaches which URLs of internal sites: all that the rules allow, and "
      "nothing else. Made by ocsproxy " OCSPROXY_VERSION " at " +
      utc_text(now) +
      ".</p>\n<p class=\"note\">/dir/* is /dir and all below it; the case of letters does not "
      "matter. Each row can be tried by its example.</p>\n";
  page += listeners_table(policy.settings.listeners);
  for (const NetworkExposure& network : networks) {
    page += "<h2>What " + html(network.network) + " reaches</h2>\n<p class=\"note\">" +
            html(network.network) + ": " + html(members_of(network.network, policy.settings)) +
            ".</p>\n";
    if (network.exposed.empty()) {
      page += "<p>Nothing.</p>\n";
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
