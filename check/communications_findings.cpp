// What is known of Office Communications Server and its successors: which directories clients need,
// how they log in, what the site wants to be asked for, how long clients wait.
#include <algorithm>
#include <array>
#include <chrono>
#include <span>
#include <string>

#include "base/text.h"
#include "base/units.h"
#include "check/policy_findings.h"
#include "rules/path_mapping.h"
#include "settings/shown_text.h"

namespace ocsproxy {
namespace {

using settings::Rule;
using settings::shown;
using std::string_view;

constexpr std::array<string_view, 6> kInternalDirectories{
    "/ABS/Int",        "/GroupExpansion/Int",    "/Conf/Int",
    "/AutoUpdate/Int", "/DeviceUpdateFiles_Int", "/RequestHandler"};
// Where IIS wants Windows authentication, which it does itself with the client.
constexpr std::array<string_view, 3> kLoginDirectories{"/ABS/Ext", "/GroupExpansion/Ext",
                                                       "/PhoneConferencing/Ext"};
// What clients send there is SOAP, or what phones report.
constexpr std::array<string_view, 2> kPostDirectories{"/GroupExpansion/Ext", "/RequestHandlerExt"};

constexpr std::chrono::minutes kLongestPoll{15};

// What people type to join a meeting, and where clients look for their server: nobody logs in.
bool is_simple_url(string_view name) {
  static constexpr std::array<string_view, 3> kSimple{"meet.", "dialin.", "lyncdiscover."};
  return std::ranges::any_of(kSimple, [name](auto start) { return name.starts_with(start); });
}

// --- which of the directories a rule opens ---

// A name that a client could ask for; "" for any.
std::string asked_name(const Rule& rule) {
  const std::string& name = *rule.public_names.front();
  if (name == "*") return {};
  return name.starts_with("*.") ? "x" + name.substr(1) : name;
}

struct Opened {
  std::string directories;  // "/ABS/Ext, /Conf/Ext"; "" for none
  std::uint32_t by = 0;     // the path of the rule that opens the first of them
};

// What a client asks for to reach something in `directory` of the site by `path` of the rule; ""
// where that leads elsewhere.
std::string asked_path(const settings::Path& path, string_view directory) {
  const std::string inside = std::string(directory) + "/x";
  std::string buffer(path.external.size() + inside.size(), '\0');
  if (const auto asked = rules::external_path(path, inside, buffer)) return std::string(*asked);
  // It may lead to a part of the directory alone.
  if (!istarts_with(path.internal, std::string(directory) + '/')) return {};
  return path.kind == settings::Path::Kind::prefix ? path.external + "/x" : path.external;
}

// Of `directories` of the site those in which the rule, whose index `number` is, decides a request
// of the first of its clients; with `denied_method`, of these the ones in which that method is
// denied.
Opened opened_by(const Subject& subject, std::uint32_t number,
                 std::span<const string_view> directories, string_view denied_method = {}) {
  const Rule& rule = subject.settings().rules[number];
  const rules::AddressSet clients = subject.addresses(rule);
  if (clients.empty()) return {};
  const std::string name = asked_name(rule);
  const std::string method = *rule.methods.front() == "*" ? "GET" : *rule.methods.front();
  const auto decide = [&](const std::string& path, string_view by_method) {
    return subject.table().decide({.listener = *subject.listener_of(rule),
                                   .client = subject.table().locate(clients.ranges().front().first),
                                   .public_name = name,
                                   .path = path,
                                   .method = by_method});
  };
  const auto opens = [&](std::uint32_t at, string_view directory) {
    const std::string path = asked_path(rule.paths[at], directory);
    if (path.empty()) return false;
    const rules::Decision decision = decide(path, method);
    return decision.verdict == rules::Verdict::allow && decision.rule == number &&
           decision.path == at &&
           (denied_method.empty() || decide(path, denied_method).verdict != rules::Verdict::allow);
  };
  Opened opened;
  for (const string_view directory : directories) {
    for (std::uint32_t at = 0; at < rule.paths.size(); ++at) {
      if (!opens(at, directory)) continue;
      if (opened.directories.empty()) opened.by = at;
      opened.directories.append(opened.directories.empty() ? "" : ", ").append(directory);
      break;
    }
  }
  return opened;
}

void check_internal_directories(const Subject& subject, std::uint32_t number, Findings& findings) {
  const Rule& rule = subject.settings().rules[number];
  const Opened opened = opened_by(subject, number, kInternalDirectories);
  if (opened.directories.empty()) return;
  const settings::Path& path = rule.paths[opened.by];
  findings.note(
      "publishes-internal-directories", path.where,
      shown(path.kind == settings::Path::Kind::prefix ? path.external + "/*" : path.external) +
          " publishes directories that OCS has for clients inside: " + opened.directories,
      "deny them in a rule before this one, or list what clients outside need: "
      "/ABS/Ext/*, /GroupExpansion/Ext/*, /Conf/Ext/*, /etc/place/null/*, "
      "/PhoneConferencing/Ext/*, /AutoUpdate/Ext/*, /DeviceUpdateFiles_Ext/*, "
      "/RequestHandlerExt/*");
}

void check_logins(const Subject& subject, std::uint32_t number, Findings& findings) {
  const Rule& rule = subject.settings().rules[number];
  const bool nobody_logs_in =
      std::ranges::all_of(rule.public_names, [](const auto& name) { return is_simple_url(*name); });
  if (*rule.delegation == settings::Delegation::client || nobody_logs_in) return;
  const Opened opened = opened_by(subject, number, kLoginDirectories);
  if (opened.directories.empty()) return;
  findings.warning("delegation-stops-login", rule.delegation.where,
                   "clients log in by NTLM at " + opened.directories +
                       ", and  delegation: none  takes their credentials away, so that every "
                       "request is answered with 403",
                   "write  delegation: client");
}

void check_methods(const Subject& subject, std::uint32_t number, Findings& findings) {
  const Rule& rule = subject.settings().rules[number];
  const Opened opened = opened_by(subject, number, kPostDirectories, "POST");
  if (opened.directories.empty()) return;
  findings.warning("methods-without-post", rule.methods.front().where,
                   "clients send POST to " + opened.directories + ", and it is denied",
                   "write  methods: [GET, HEAD, POST]");
}

// --- what Lync, its successors and other long polls need ---

void check_lync(const Rule& rule, Findings& findings) {
  const auto simple = std::ranges::find_if(rule.public_names,
                                           [](const auto& name) { return is_simple_url(*name); });
  if (simple == rule.public_names.end()) return;
  if (!rule.to->original_host) {
    findings.warning("lync-original-host", simple->where,
                     shown(**simple) +
                         " is a simple URL of Lync, which the site knows by the Host that it is "
                         "asked for, and the rule sends " +
                         shown(*rule.to->site),
                     "write  original_host: true  in  to");
  }
  if (*rule.bridging == settings::Bridging::https && *rule.to->port == 443) {
    const Location port = rule.to->port.where;
    findings.note("lync-port", port.line != 0 ? port : rule.to->where,
                  "Lync has its web site for clients outside on port 4443; on 443 is the one for "
                  "clients inside",
                  "write  port: 4443  in  to, unless a load balancer maps it");
  }
}

bool has_long_polls(const Rule& rule) {
  static constexpr std::array<string_view, 5> kPolled{"/ucwa", "/mcx", "/reach",
                                                      "/microsoft-server-activesync", "/rpc"};
  return publishes_communications(rule) ||
         std::ranges::any_of(rule.paths, [](const settings::Path& path) {
           return std::ranges::any_of(
               kPolled, [&](auto directory) { return istarts_with(path.external, directory); });
         });
}

void check_timeouts(const Rule& rule, Findings& findings) {
  if (!has_long_polls(rule)) return;
  const std::array<std::pair<string_view, const Located<settings::milliseconds>*>, 2> timeouts{
      {{"response_head", &rule.timeouts.response_head}, {"idle", &rule.timeouts.idle}}};
  for (const auto& [name, timeout] : timeouts) {
    if (**timeout >= kLongestPoll) continue;
    findings.warning("timeout-cuts-long-polls", timeout->where,
                     "clients of this rule wait up to 15 minutes for an answer, and \"" +
                         std::string(name) + "\" ends that after " + format_duration(**timeout),
                     "remove the line: the default is 30m");
  }
}

}  // namespace

void check_communications(const Subject& subject, std::uint32_t number, Findings& findings) {
  const Rule& rule = subject.settings().rules[number];
  if (publishes_communications(rule)) {
    check_internal_directories(subject, number, findings);
    check_logins(subject, number, findings);
    check_methods(subject, number, findings);
  }
  check_lync(rule, findings);
  check_timeouts(rule, findings);
}

}  // namespace ocsproxy
