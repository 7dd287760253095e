#include "check/live/redirects.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "base/text.h"
#include "check/explain.h"
#include "proxy/head_writer.h"
#include "proxy/url_mapping.h"
#include "rules/canonical_target.h"

namespace ocsproxy {
namespace {

using Outcome = Explanation::Outcome;
using settings::Rule;
using settings::Settings;

// An URL up to its path, and the canonical name in it.
struct Origin {
  bool secure = false;
  std::string text;       // "https://www.contoso.com:8443"
  std::string authority;  // "www.contoso.com:8443"
  std::string name;
};

// Of an absolute URL of http or https.
std::optional<Origin> origin_of(std::string_view url) {
  const bool secure = istarts_with(url, "https://");
  if (!secure && !istarts_with(url, "http://")) return std::nullopt;
  const std::size_t begin = url.find("//") + 2;
  const std::size_t end = std::min(url.find_first_of("/?#", begin), url.size());
  std::array<char, rules::kAuthorityBufferSize> buffer;
  rules::Authority authority;
  if (!rules::parse_authority(url.substr(begin, end - begin), buffer, authority))
    return std::nullopt;
  return Origin{.secure = secure,
                .text = std::string(url.substr(0, end)),
                .authority = std::string(url.substr(begin, end - begin)),
                .name = std::string(authority.name)};
}

// The Location as the client gets it; "" where it is none that leads to another place than the
// directory itself.
std::string public_location(const Settings& settings, const DirectoryQuestion& question,
                            const Origin& asked, const std::string& location) {
  std::array<char, rules::kAuthorityBufferSize> buffer;
  RequestHost host{.authority = {}, .as_sent = asked.authority};
  if (!rules::parse_authority(asked.authority, buffer, host.authority)) return "";
  const SiteNames names{.rule = settings.rules[question.rule],
                        .path = question.path,
                        .host = host,
                        .client_secure = asked.secure};
  std::string mapped(location.size() + question.url.size() + 4096, '\0');
  HeadWriter out(mapped);
  write_public_url(out, names, location);
  mapped.resize(out.size());
  if (mapped.starts_with("//")) return (asked.secure ? "https:" : "http:") + mapped;
  return mapped.starts_with('/') ? asked.text + mapped : mapped;
}

bool is_published(const Configuration& configuration, const std::string& name) {
  for (std::uint32_t listener = 0; listener < configuration.settings.listeners.size(); ++listener) {
    if (configuration.table->publishes(listener, name)) return true;
  }
  return false;
}

bool in_domain(std::string_view name, std::string_view domain) {
  return !domain.empty() && iends_with(name, domain);
}

// ".contoso.local" of a site, "" when it has no domain.
std::string_view domain_of(std::string_view site) {
  const std::size_t dot = site.find('.');
  return dot == std::string_view::npos || IpAddress::parse(site) ? "" : site.substr(dot);
}

// Nothing that a client outside could resolve: an address, a name without a domain, the site of a
// rule, or a name in a site's domain of which no name is public.
bool is_internal(const Settings& settings, std::string_view name) {
  if (IpAddress::parse(name) || domain_of(name).empty()) return true;
  const auto publishes_in = [&](std::string_view domain) {
    return std::ranges::any_of(settings.rules, [&](const Rule& rule) {
      return std::ranges::any_of(rule.public_names, [&](const auto& public_name) {
        return in_domain(*public_name, domain);
      });
    });
  };
  return std::ranges::any_of(settings.rules, [&](const Rule& rule) {
    if (!rule.to) return false;
    const std::string_view domain = domain_of(*rule.to->site);
    return iequals(name, *rule.to->site) || (in_domain(name, domain) && !publishes_in(domain));
  });
}

std::string why_refused(const Settings& settings, const Explanation& explained) {
  switch (explained.outcome) {
    case Outcome::denied:
      return "which " +
             (explained.decision.rule == rules::kNoRule
                  ? "no rule allows"
                  : "rule \"" + *settings.rules[explained.decision.rule].name + "\" denies");
    case Outcome::refused:
      return "which the proxy refuses: " + explained.reason;
    default:
      return "where no listener serves such a client";
  }
}

// The site takes the scheme that it is asked with for the client's.
std::string mend_of_scheme(const Rule& rule) {
  return *rule.bridging == settings::Bridging::https
             ? "set the public URL of the site to https"
             : "let the site heed  Front-End-Https: on, set its public URL to https, or write  "
               "bridging: https";
}

}  // namespace

void judge_redirect(const Configuration& configuration, const Machine& machine,
                    const DirectoryQuestion& question, const SiteAnswer& answer,
                    LiveReport& report) {
  const Settings& settings = configuration.settings;
  const std::optional<Origin> asked = origin_of(question.url);
  if (answer.status / 100 != 3 || answer.location.empty() || !asked) return;
  const std::string location = public_location(settings, question, *asked, answer.location);
  const std::optional<Origin> leads = origin_of(location);
  if (!leads) return;
  const std::string said = question.url + " sends clients to " + escaped(location);
  if (!is_published(configuration, leads->name)) {
    if (!is_internal(settings, leads->name)) return;
    report.findings.warning(
        "redirect-internal", question.where, said + ", which is no public name",
        "publish that name too, or let the site know the public one: to: {original_host: true}");
    return;
  }
  // With a cookie the second answer may be another one, and with other case the page.
  if (location == question.url && !answer.sets_cookie) {
    report.findings.warning("redirect-loop", question.where,
                            question.url + " sends clients to itself, without end",
                            mend_of_scheme(settings.rules[question.rule]));
    return;
  }
  const auto explained = explain({settings, *configuration.table, configuration.certificates},
                                 machine, {.url = location, .from = question.from});
  if (!explained || explained->outcome == Outcome::redirected) return;
  if (asked->secure && !leads->secure) {
    report.findings.warning("redirect-unencrypted", question.where, said + ", out of TLS",
                            mend_of_scheme(settings.rules[question.rule]));
  } else if (explained->outcome != Outcome::forwarded) {
    report.findings.warning("redirect-refused", question.where,
                            said + ", " + why_refused(settings, *explained),
                            "add its path to the rule if clients are to have it, or correct the "
                            "start page of the site");
  }
}

}  // namespace ocsproxy
