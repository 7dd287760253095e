// HTTP filters that nothing uses, that look where nothing can be seen, or that refuse what clients
// of a known product send.
#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "base/text.h"
#include "check/policy_findings.h"
#include "rules/http_filter.h"
#include "settings/shown_text.h"

namespace ocsproxy {
namespace {

using rules::FilterCheck;
using settings::HttpFilter;
using settings::Rule;
using settings::shown;
using Place = HttpFilter::Place;

// The longest URL of Microsoft's baseline for web publishing.
constexpr std::uint32_t kBaselineUrl = 260;

bool denies_encoded_requests(const HttpFilter& filter) {
  return std::ranges::any_of(filter.request_headers,
                             [](const auto& name) { return iequals(*name, "Content-Encoding"); });
}

void check_body_signatures(const HttpFilter& filter, Findings& findings) {
  for (const HttpFilter::Signature& signature : filter.signatures) {
    const bool of_request = *signature.place == Place::request_body;
    if (!of_request && *signature.place != Place::response_body) continue;
    if (of_request && denies_encoded_requests(filter)) continue;
    findings.note("filter-misses-encoded", signature.place.where,
                  "the signature " + shown(*signature.name) +
                      " does not see into bodies that are compressed, nor what a range leaves out",
                  of_request ? "write  request_headers: {deny: [Content-Encoding]}"
                             : "tell the site not to compress what is to be looked at");
    return;
  }
}

void check_unused_filters(const Subject& subject, Findings& findings) {
  const auto& filters = subject.settings().http_filters;
  for (std::uint32_t number = 0; number < filters.size(); ++number) {
    const auto uses = [number](const Rule& rule) { return rule.filter == number; };
    if (std::ranges::any_of(subject.settings().rules, uses)) continue;
    findings.note("filter-unused", filters[number].name.where,
                  "no rule names the HTTP filter " + shown(*filters[number].name),
                  "write  http_filter: " + *filters[number].name + "  in a rule, or remove it");
  }
}

// --- what clients of Office Communications Server send ---

class Sample {
 public:
  explicit Sample(const rules::HttpFilter& filter) : filter_(filter) {}

  bool is_refused(FilterCheck check, std::string_view method, std::string_view path,
                  std::string_view query = {}) {
    const rules::CanonicalTarget target{.path = path, .query = query, .authority = {}};
    return filter_.check_request(check, {.method = method, .target = target}, scratch_).has_value();
  }

 private:
  const rules::HttpFilter& filter_;
  std::vector<char> scratch_ = std::vector<char>(rules::HttpFilter::kScratchBytes);
};

Location place_or(Location place, const Rule& rule, const HttpFilter& filter) {
  if (place.line != 0) return place;
  return rule.http_filter.where.line != 0 ? rule.http_filter.where : filter.where;
}

void check_for_communications(const Rule& rule, const rules::HttpFilter& compiled,
                              Findings& findings) {
  const HttpFilter& filter = compiled.settings();
  const auto breaks = [&](Location where, std::string text, std::string mend) {
    findings.warning("filter-breaks-communications", place_or(where, rule, filter), std::move(text),
                     std::move(mend));
  };
  Sample sample(compiled);
  if (sample.is_refused(FilterCheck::extension, "GET", "/x.dat")) {
    breaks(filter.extensions.where,
           "the filter of " + shown(*rule.name) +
               " refuses .dat, and files that clients of this product load end so",
           "let .dat pass");
  }
  if (*filter.max_url_length <= kBaselineUrl) {
    breaks(filter.max_url_length.where,
           "the filter of " + shown(*rule.name) + " refuses URLs longer than " +
               std::to_string(*filter.max_url_length) + " bytes, which this product has",
           "remove the line: the default is 10240");
  }
  if (sample.is_refused(FilterCheck::signature, "GET", "/x", "?a=1&b=2")) {
    breaks(filter.signatures.front().where,
           "a signature of the filter of " + shown(*rule.name) +
               " is found in every query with two values, such as ?a=1&b=2",
           "remove the signature that looks for \"&\" or \"=\"");
  }
  if (sample.is_refused(FilterCheck::method, "POST", "/x")) {
    breaks(
        filter.methods.where,
        "the filter of " + shown(*rule.name) + " refuses POST, which carries this product's SOAP",
        "write  methods: {allow: [GET, HEAD, POST]}");
  }
}

}  // namespace

void check_filters(const Subject& subject, Findings& findings) {
  check_unused_filters(subject, findings);
  for (const HttpFilter& filter : subject.settings().http_filters) {
    check_body_signatures(filter, findings);
    if (*filter.verify_normalization) continue;
    findings.note("filter-passes-double-encoding", filter.verify_normalization.where,
                  "doubly encoded paths pass, in the form that one decoding leaves: a site that "
                  "decodes twice may read /%252e%252e/ as /../, past all rules",
                  "keep it on, unless names of the site have a percent sign in them");
  }
}

void check_filter_of(const Subject& subject, std::uint32_t number, Findings& findings) {
  const Rule& rule = subject.settings().rules[number];
  const rules::HttpFilter* const filter = subject.table().filter_of(number);
  if (filter != nullptr && publishes_communications(rule)) {
    check_for_communications(rule, *filter, findings);
  }
}

}  // namespace ocsproxy
