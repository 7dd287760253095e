#include "check/live/site_probe.h"

#include <chrono>
#include <ctime>
#include <utility>

#include "base/units.h"
#include "check/live/redirects.h"

namespace ocsproxy {
namespace {

// Kerberos accepts no more.
constexpr std::chrono::minutes kClockSkew{5};

// RFC 9110 5.6.7, in the form that is sent today.
std::optional<CertificateTime> http_date(const std::string& text) {
  std::tm parts{};
  const char* const end = ::strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  if (end == nullptr || *end != '\0') return std::nullopt;
  return std::chrono::system_clock::from_time_t(::timegm(&parts));
}

std::string place_text(const Site& site, const SocketAddress& address) {
  return site.key.site + " (" + address.to_string() + ")";
}

}  // namespace

SiteProbe::SiteProbe(const Configuration& configuration, const Machine& machine, Site site,
                     ProbeLoop& loop)
    : configuration_(configuration), machine_(machine), site_(std::move(site)), loop_(loop) {}

Task<> SiteProbe::run() {
  for (const Site::Place& place : site_.places) co_await try_place(place);
  if (!place_) co_return;
  for (const DirectoryQuestion& question : site_.questions) {
    const bool answered = co_await try_question(question);
    if (!answered) co_return;
  }
}

Task<> SiteProbe::try_place(const Site::Place& place) {
  Result<Lease> lease = co_await connect(place);
  if (!lease) {
    report_failure(place, lease.error());
    co_return;
  }
  report_.well.push_back(
      place_text(site_, place.address) +
      (site_.key.bridging == settings::Bridging::https ? " proves to be the site" : " accepts"));
  if (!place_) place_ = place;
}

void SiteProbe::report_failure(const Site::Place& place, const Error& error) {
  const std::string text =
      error.kind == ErrorKind::timeout
          ? place_text(site_, place.address) + " did not answer within " +
                format_duration(*rule().timeouts.connect) + " (timeouts.connect)"
      : error.detail.empty() ? place_text(site_, place.address) + ": " + error.describe()
                             : error.detail;
  if (error.kind == ErrorKind::untrusted) {
    report_.findings.error("site-untrusted", place.where, text);
  } else if (error.phase == Phase::upstream_handshake && error.kind != ErrorKind::timeout) {
    report_.findings.error("site-handshake", place.where, text,
                           "is it the right port, and does it speak TLS?");
  } else {
    report_.findings.error("site-unreachable", place.where, text,
                           "does the site run, is the address right, and does the firewall between "
                           "let us through?");
  }
}

Task<bool> SiteProbe::try_question(const DirectoryQuestion& question) {
  Result<Lease> lease = co_await connect(*place_);
  if (!lease) {
    report_failure(*place_, lease.error());
    co_return false;
  }
  Result<SiteAnswer> answer = co_await ask(lease->connection().stream(), question.head);
  if (!answer) {
    report_.findings.warning("site-fails", question.where,
                             question.url + " gets no answer: " + answer.error().describe(),
                             "look into the log of the site");
    co_return false;
  }
  judge(question, *answer, report_);
  judge_redirect(configuration_, machine_, question, *answer, report_);
  compare_clocks(*answer);
  if (answer->status != 401 || !question.may_log_in) co_return true;
  for (const std::string scheme : {"NTLM", "Negotiate"}) {
    if (login_tried_ || !answer->offers(scheme)) continue;
    login_tried_ = true;
    co_await try_login(question, scheme);
  }
  co_return true;
}

void SiteProbe::compare_clocks(const SiteAnswer& answer) {
  const auto theirs = http_date(answer.date);
  if (!theirs || std::exchange(clock_known_, true)) return;
  const auto ahead = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()) -
                     std::chrono::floor<std::chrono::seconds>(*theirs);
  if (std::chrono::abs(ahead) < kClockSkew) {
    report_.well.push_back("the clock of " + site_.key.site + " agrees with this machine's");
    return;
  }
  report_.findings.warning("clock-skew", place_->where,
                           "the clock of " + site_.key.site + " says " + utc_text(*theirs) + ", " +
                               format_duration(std::chrono::abs(ahead)) +
                               (ahead.count() > 0 ? " behind" : " ahead of") + " this machine's",
                           "set both by the same time server: certificates and Kerberos depend on "
                           "it");
}

Task<> SiteProbe::try_login(const DirectoryQuestion& question, std::string scheme) {
  Result<Lease> lease = co_await connect(*place_);
  if (!lease) {
    report_failure(*place_, lease.error());
    co_return;
  }
  const HeadWith head = [this, &question](const std::string& authorization) {
    return head_with(configuration_, machine_, question, "Authorization: " + authorization);
  };
  Result<NtlmVerdict> verdict = co_await probe_ntlm(lease->connection().stream(), scheme, head);
  if (!verdict) {
    report_.findings.warning(
        "site-fails", question.where,
        question.url + " gets no answer to a login: " + verdict.error().describe(),
        "look into the log of the site");
    co_return;
  }
  const std::string text = question.url + ' ' + verdict->detail;
  switch (verdict->kind) {
    case NtlmVerdict::Kind::refused:
      report_.well.push_back(text + ", on one connection: " + scheme + " can work");
      break;
    case NtlmVerdict::Kind::closed:
      report_.findings.error("ntlm-closed", question.where, text,
                             "nobody can log in: allow keep-alive at the site, and at what stands "
                             "between");
      break;
    case NtlmVerdict::Kind::spread:
      report_.findings.error("ntlm-spread", question.where, text,
                             "nobody can log in: let the load balancer choose a server for each "
                             "connection, not for each request");
      break;
    case NtlmVerdict::Kind::without_challenge:
      report_.findings.error("ntlm-without-challenge", question.where, text,
                             "nobody can log in: look at the authentication of this directory");
      break;
  }
}

}  // namespace ocsproxy
