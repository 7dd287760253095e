#include "check/live/directories.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/text.h"
#include "check/explain.h"
#include "rules/rule_forms.h"

namespace ocsproxy {
namespace {

using settings::Path;
using settings::Rule;

// What OCS 2007 R2 answers from outside when it is installed and published as it should be.
struct OcsDirectory {
  std::string_view path;
  Expected expected;
};
constexpr std::array<OcsDirectory, 4> kOcsDirectories{{
    {"/ABS/Ext/Handler", Expected::login},
    {"/GroupExpansion/Ext/service.asmx", Expected::login},
    {"/Conf/Ext/Tshoot.html", Expected::page},
    {"/RequestHandlerExt/ucdevice.upx", Expected::post},
}};

// Meeting content: asked without the token of a meeting, IIS may answer anything.
constexpr std::string_view kMeetingContent = "/etc/place/null";

// A client that the rule is for, one of the documentation's where it may be.
IpAddress client_of(const rules::AddressSet& addresses) {
  const IpAddress usual = IpAddress::from_v4(0xc0000201);  // 192.0.2.1
  return addresses.contains(usual) ? usual : addresses.ranges().front().first;
}

std::string base_url(const settings::Listener& listener, const std::string& name) {
  const bool secure = listener.https.has_value();
  const std::uint16_t port = secure ? *listener.https->port : *listener.http->port;
  std::string url = (secure ? "https://" : "http://") + name;
  if (port != (secure ? 443 : 80)) url += ':' + std::to_string(port);
  return url;
}

Result<Explanation> explain(const Configuration& configuration, const Machine& machine,
                            const DirectoryQuestion& question, std::vector<std::string> headers) {
  return ocsproxy::explain(
      {configuration.settings, *configuration.table, configuration.certificates}, machine,
      {.url = question.url, .from = question.from, .headers = std::move(headers)});
}

// Is a file of OCS below the directory asked for, which says more than the directory itself?
bool is_asked_below(const std::vector<DirectoryQuestion>& questions, const std::string& url) {
  return std::ranges::any_of(questions, [&](const DirectoryQuestion& question) {
    return istarts_with(question.url, url) && question.expected != Expected::present;
  });
}

bool wants_login(const SiteAnswer& answer) {
  return answer.status == 401 && (answer.offers("NTLM") || answer.offers("Negotiate"));
}

std::string schemes(const SiteAnswer& answer) {
  std::string text;
  for (const std::string& challenge : answer.challenges) {
    text += (text.empty() ? " and offers " : ", ") +
            escaped(std::string_view(challenge).substr(0, challenge.find(' ')));
  }
  return text;
}

std::string_view mend_of(const DirectoryQuestion& question, unsigned status) {
  switch (status) {
    case 200:
      return "the directory is open to anybody: switch anonymous access off and Integrated Windows "
             "authentication on";
    case 401:
      return question.expected == Expected::page
                 ? "switch anonymous access on for it"
                 : "switch Integrated Windows authentication on for it";
    case 403:
      return "IIS refuses before it asks who it is: look for restrictions by IP address, and for "
             "client certificates";
    case 404:
      return "is this the web site of OCS, on the right port, with its external directories "
             "installed?";
    default:
      return "look into the logs of IIS and of OCS";
  }
}

bool as_ocs_does(const DirectoryQuestion& question, const SiteAnswer& answer) {
  switch (question.expected) {
    case Expected::login:
      return wants_login(answer);
    case Expected::page:
      return answer.status == 200;
    case Expected::post:
      return answer.status != 403 && answer.status != 404;
    case Expected::anything:
    case Expected::present:
      break;
  }
  return true;
}

std::string_view ocs_answer(Expected expected) {
  return expected == Expected::login  ? "401, and offers NTLM or Negotiate"
         : expected == Expected::page ? "200"
                                      : "405 or 500 to a GET";
}

}  // namespace

std::vector<DirectoryQuestion> questions_of(const Configuration& configuration,
                                            const Subject& subject, std::uint32_t number) {
  const Rule& rule = configuration.settings.rules[number];
  const auto listener = subject.listener_of(rule);
  const rules::AddressSet clients = subject.addresses(rule);
  std::vector<DirectoryQuestion> questions;
  if (!listener || clients.empty()) return questions;
  const std::string base =
      base_url(configuration.settings.listeners[*listener], rules::typical_name(rule));
  const auto add = [&](std::string_view path, Expected expected) {
    DirectoryQuestion question{.url = base + std::string(path),
                               .from = client_of(clients),
                               .expected = expected,
                               .may_log_in = *rule.delegation == settings::Delegation::client,
                               .where = rule.where,
                               .rule = number,
                               .path = 0,
                               .head = {}};
    const auto explained = explain(configuration, subject.machine(), question, {});
    if (!explained || explained->outcome != Explanation::Outcome::forwarded ||
        explained->decision.rule != number) {
      return;
    }
    question.path = explained->decision.path;
    const Path& matched = rule.paths[question.path];
    if (matched.where.line != 0) question.where = matched.where;
    question.head = explained->upstream_head;
    questions.push_back(std::move(question));
  };
  if (publishes_communications(rule)) {
    for (const OcsDirectory& directory : kOcsDirectories) add(directory.path, directory.expected);
  }
  for (const Path& path : rule.paths) {
    if (path.kind == Path::Kind::regex) continue;
    const bool whole_site = path.kind == Path::Kind::prefix && path.external.empty();
    const std::string asked = path.kind == Path::Kind::prefix ? path.external + '/' : path.external;
    if (!whole_site && is_asked_below(questions, base + asked)) continue;
    const bool may_lack = whole_site || istarts_with(path.external, kMeetingContent);
    add(asked, may_lack ? Expected::anything : Expected::present);
  }
  return questions;
}

std::string head_with(const Configuration& configuration, const Machine& machine,
                      const DirectoryQuestion& question, const std::string& field) {
  const auto explained = explain(configuration, machine, question, {field});
  return explained ? explained->upstream_head : "";
}

void judge(const DirectoryQuestion& question, const SiteAnswer& answer, LiveReport& report) {
  const std::string said =
      question.url + " answers " + std::to_string(answer.status) + schemes(answer);
  if (!as_ocs_does(question, answer)) {
    report.findings.warning(
        "directory-unlike-ocs", question.where,
        said + ", and OCS answers " + std::string(ocs_answer(question.expected)),
        std::string(mend_of(question, answer.status)));
  } else if (question.expected != Expected::anything && question.expected != Expected::present) {
    report.well.push_back(said + ", as OCS does");
  } else if (answer.status >= 500) {
    report.findings.warning("site-fails", question.where, said, "look into the log of the site");
  } else if (answer.status == 404 && question.expected == Expected::present) {
    report.findings.note("directory-missing", question.where, said,
                         "correct the path, or install what belongs there");
  } else {
    report.well.push_back(said);
  }
}

}  // namespace ocsproxy
