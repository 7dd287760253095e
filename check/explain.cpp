#include "check/explain.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/text.h"
#include "net/buffer.h"
#include "proxy/failure.h"
#include "proxy/filtering.h"
#include "proxy/head_parser.h"
#include "proxy/judgement.h"
#include "proxy/request_writer.h"
#include "rules/path_parameters.h"
#include "settings/shown_text.h"
#include "tls/certificate_choice.h"

namespace ocsproxy {
namespace {

using Outcome = Explanation::Outcome;
using settings::shown;

// More than these are no slip of the pen.
constexpr std::size_t kMostLettersApart = 3;

Error wrong(std::string detail) {
  return Error{.kind = ErrorKind::malformed, .detail = std::move(detail)};
}

// --- the question ---

struct Url {
  bool secure = false;
  std::string authority;  // as it stands in the URL: the Host that a client sends
  std::string host;       // canonical
  bool is_address = false;
  std::uint16_t port = 0;
  std::string target;  // path and query, as written
};

Result<Url> parse_url(std::string_view text) {
  Url url;
  url.secure = istarts_with(text, "https://");
  if (!url.secure && !istarts_with(text, "http://")) {
    return wrong(shown(text) + " is no URL of http or https, such as https://www.example.com/");
  }
  text = text.substr(0, text.find('#')).substr(text.find("//") + 2);
  const std::size_t end = std::min(text.find_first_of("/?"), text.size());
  url.authority = text.substr(0, end);
  url.target = std::string(text.substr(end).starts_with('/') ? "" : "/").append(text.substr(end));
  std::array<char, rules::kAuthorityBufferSize> buffer;
  rules::Authority authority;
  if (!rules::parse_authority(url.authority, buffer, authority)) {
    return wrong(shown(url.authority) + " in the URL is no host name");
  }
  url.host = authority.name;
  url.is_address = authority.is_address;
  const std::uint16_t usual = url.secure ? 443 : 80;
  url.port = authority.port != 0 ? authority.port : usual;
  return url;
}

// The message that a client sends for it.
Result<std::string> head_text(const Url& url, const Question& question) {
  std::string text = question.method + ' ' + url.target + " HTTP/1.1\r\n";
  bool has_host = false;
  for (const std::string& header : question.headers) {
    const std::size_t colon = header.find(':');
    if (colon == std::string::npos) {
      return wrong(shown(header) + " is no header: it lacks a colon, as in \"Name: value\"");
    }
    has_host = has_host || iequals(header.substr(0, colon), "Host");
  }
  if (!has_host) text += "Host: " + url.authority + "\r\n";
  for (const std::string& header : question.headers) text += header + "\r\n";
  return text + "\r\n";
}

// --- the explanation, step by step as a connection goes ---

class Explainer {
 public:
  Explainer(const ServedConfiguration& configuration, const Machine& machine,
            const Question& question, Url url, std::string head)
      : configuration_(configuration),
        settings_(configuration.settings),
        table_(configuration.table),
        machine_(machine),
        question_(question),
        url_(std::move(url)),
        head_text_(std::move(head)) {}

  Explanation run() {
    entrance_.client = table_.locate(question_.from);
    result_.network = table_.network_name(entrance_.client);
    if (find_listener() && choose_certificate() && examine()) judge();
    return std::move(result_);
  }

 private:
  const settings::Listener& listener() const { return settings_.listeners[entrance_.listener]; }

  bool end(Outcome outcome, std::uint16_t status, std::string reason) {
    result_.outcome = outcome;
    result_.status = status;
    result_.reason = std::move(reason);
    return false;
  }

  // How well a listener fits what is not in the URL: which of its addresses DNS gives for the name.
  int fitness(std::uint32_t number) const {
    return (table_.serves(number, entrance_.client) ? 2 : 0) +
           (table_.publishes(number, url_.host) ? 1 : 0);
  }

  bool listens_there(const settings::Listener& one) const {
    const bool has_port = url_.secure ? one.https && *one.https->port == url_.port
                                      : one.http && *one.http->port == url_.port;
    if (!has_port || !url_.is_address) return has_port;
    const IpAddress address = *IpAddress::parse(url_.host);
    if (one.interface->empty()) {
      return std::ranges::any_of(one.addresses, [&address](const auto& listening) {
        return *listening == address ||
               (listening->is_unspecified() && listening->is_v4() == address.is_v4());
      });
    }
    const Interface* const nic = find_interface(machine_.interfaces, *one.interface);
    return nic == nullptr ? machine_.has(address)
                          : std::ranges::find(nic->addresses, address) != nic->addresses.end();
  }

  bool find_listener() {
    std::vector<std::uint32_t> fitting;
    for (std::uint32_t number = 0; number < settings_.listeners.size(); ++number) {
      if (listens_there(settings_.listeners[number])) fitting.push_back(number);
    }
    if (fitting.empty()) {
      return end(Outcome::no_listener, 0,
                 std::string("no listener has ") + (url_.secure ? "https" : "http") + " on port " +
                     std::to_string(url_.port) + (url_.is_address ? " of " + url_.host : ""));
    }
    std::ranges::stable_sort(fitting, std::ranges::greater(),
                             [this](std::uint32_t number) { return fitness(number); });
    for (const std::uint32_t other : std::span(fitting).subspan(1)) {
      result_.other_listeners.push_back(*settings_.listeners[other].name);
    }
    entrance_.listener = fitting.front();
    entrance_.secure = url_.secure;
    entrance_.port = url_.port;
    result_.listener = fitting.front();
    if (table_.serves(entrance_.listener, entrance_.client)) return true;
    return end(Outcome::not_served, 0,
               "the listener " + shown(*listener().name) + " does not serve clients of " +
                   result_.network);
  }

  bool choose_certificate() {
    if (!url_.secure) return true;
    for (const auto& certificate : configuration_.certificates[entrance_.listener]) {
      if (certificate == nullptr) return true;  // it may not be read, so nothing is known
      certificates_.add(certificate);
    }
    // A client sends no SNI for an address (RFC 6066 3).
    chosen_ = certificates_.choose(url_.is_address ? "" : url_.host);
    result_.certificate = certificates_[*chosen_].subject();
    result_.certificate_covers = certificates_[*chosen_].covers(url_.host);
    return true;
  }

  bool examine() {
    HeadProgress progress;
    const HeadOutcome parsed = parse_request_head(head_text_, progress, head_);
    if (parsed.state != HeadOutcome::State::complete) return refuse(parsed.refusal);
    path_.resize(kMaxTargetBytes);
    if (const Refusal bad = examine_request(head_, url_.secure, url_.port, path_, host_, asked_)) {
      return refuse(bad);
    }
    result_.public_name = asked_.host.authority.name;
    result_.path = asked_.target.path;
    if (chosen_ && !url_.is_address && certificates_.misdirected(*chosen_, result_.public_name)) {
      return refuse(
          {421, "the name belongs to another certificate than the one that was asked for"});
    }
    return true;
  }

  bool refuse(Refusal why) {
    return end(Outcome::refused, why.status == 0 ? 400 : why.status,
               why.status == 0 ? "the head does not end" : std::string(why.why));
  }

  void judge() {
    const Judgement judged = judge_request(settings_, table_, entrance_, head_, asked_);
    result_.decision = judged.decision;
    const bool rules_asked = entrance_.secure || !listener().http->redirect_to_https;
    if (rules_asked) trace();
    switch (judged.answer) {
      case rules::Answer::forward:
        if (passes_filter()) write_upstream_head();
        break;
      case rules::Answer::redirect:
      case rules::Answer::to_https:
        end(Outcome::redirected, 302, {});
        result_.location = judged.location;
        break;
      case rules::Answer::deny:
      case rules::Answer::not_served:
        end(Outcome::denied, 403,
            rules_asked ? ""
                        : "plain HTTP is redirected to https, but only GET and HEAD, and only for "
                          "a name that a rule of the listener publishes");
        if (result_.decision.rule == rules::kNoRule) find_near_miss();
        break;
    }
  }

  bool passes_filter() {
    const rules::HttpFilter* const filter = table_.filter_of(result_.decision.rule);
    const rules::FilteredRequest request = filtered_request(head_, asked_);
    std::vector<char> scratch(rules::HttpFilter::kScratchBytes);
    if (filter != nullptr) ask_filter(*filter, request, scratch);
    const rules::Filtered filtered = rules::filter_request(filter, request, scratch);
    if (!filtered.refused) return true;
    if (filter == nullptr) return refuse({400, rules::describe(rules::reservation(asked_.target))});
    return end(Outcome::refused, filter_failure(filtered.objection->check).status,
               "the HTTP filter says: " + rules::describe(*filtered.objection));
  }

  void ask_filter(const rules::HttpFilter& filter, const rules::FilteredRequest& request,
                  std::span<char> scratch) {
    using Place = rules::HttpFilter::Place;
    FilterAnswers& told = result_.filter.emplace();
    told.name = *filter.settings().name;
    told.enforces = filter.enforces();
    told.looks_further = filter.body_bytes(Place::request_body) != 0 ||
                         filter.body_bytes(Place::response_body) != 0 ||
                         filter.looks_at_response_head();
    for (const rules::FilterCheck check : rules::kRequestChecks) {
      const auto objection = filter.check_request(check, request, scratch);
      told.checks.push_back({check, objection ? rules::describe(*objection) : ""});
    }
  }

  void trace() {
    rules::Request request{.listener = entrance_.listener,
                           .client = entrance_.client,
                           .public_name = asked_.host.authority.name,
                           .path = asked_.target.path,
                           .method = head_.method};
    result_.rules = table_.trace(request);
    if (result_.path.find(';') == std::string::npos) return;
    std::string buffer(result_.path.size(), '\0');
    result_.path_without_parameters = rules::without_parameters(result_.path, buffer);
    request.path = result_.path_without_parameters;
    result_.rules_without_parameters = table_.trace(request);
  }

  void find_near_miss() {
    if (table_.publishes(entrance_.listener, result_.public_name)) {
      find_near_rule();
    } else {
      find_near_name();
    }
  }

  // The allow rule that fails by its methods alone, or else by a path that may be a slip of the
  // pen.
  void find_near_rule() {
    std::size_t least = kMostLettersApart + 1;
    for (std::uint32_t number = 0; number < result_.rules.size(); ++number) {
      const settings::Rule& rule = settings_.rules[number];
      const rules::Condition failed = result_.rules[number].failed;
      if (*rule.action != settings::Action::allow) continue;
      const std::string named = "rule " + std::to_string(number + 1) + ' ' + shown(*rule.name);
      if (failed == rules::Condition::method) {
        result_.near_miss = "but for its methods, " + named + " would match";
        return;
      }
      if (failed != rules::Condition::path) continue;
      for (const settings::Path& path : rule.paths) {
        const auto apart = letters_apart(path);
        if (apart >= least) continue;
        least = apart;
        const char* const rest = path.kind == settings::Path::Kind::prefix ? "/*" : "";
        result_.near_miss = named + " has the path " + shown(path.external + rest) +
                            ", which differs by " + letters_text(apart);
      }
    }
  }

  // Between a rule's path and the asked one; of the latter as many segments as the rule's has.
  std::size_t letters_apart(const settings::Path& path) const {
    if (path.kind == settings::Path::Kind::regex) return kMostLettersApart + 1;
    std::string_view asked = result_.path;
    if (path.kind == settings::Path::Kind::prefix) {
      std::size_t end = 0;
      for (auto left = std::ranges::count(path.external, '/'); left > 0 && end < asked.size();
           --left) {
        end = std::min(asked.find('/', end + 1), asked.size());
      }
      asked = asked.substr(0, end);
    }
    const std::size_t apart = edit_distance(lower(asked), lower(path.external));
    // Of a short path each letter is most of it.
    return apart * 3 > path.external.size() ? kMostLettersApart + 1 : apart;
  }

  static std::string letters_text(std::size_t count) {
    return std::to_string(count) + (count == 1 ? " letter" : " letters");
  }

  void find_near_name() {
    std::vector<std::string_view> published;
    for (const settings::Rule& rule : settings_.rules) {
      if (!rule.enabled || !rule.to || *rule.listener != *listener().name) continue;
      for (const auto& name : rule.public_names) published.push_back(*name);
    }
    const std::string_view near = nearest_word(result_.public_name, published);
    if (near.empty()) return;
    result_.near_miss = "no rule of the listener publishes " + shown(result_.public_name) +
                        "; the nearest name is " + shown(near) + ", which differs by " +
                        letters_text(edit_distance(result_.public_name, near));
  }

  void write_upstream_head() {
    RequestRewrite rewrite{.rule = &settings_.rules[result_.decision.rule],
                           .path = result_.decision.path,
                           .target = asked_.target,
                           .host = asked_.host,
                           .framing = asked_.framing,
                           .client_address = question_.from,
                           .client_secure = url_.secure,
                           .request_id = "0000000000000000",
                           .via = "ocsproxy"};
    std::array<char, 4096> destination;
    judge_destination(table_, entrance_, head_, result_.decision, rewrite, destination);
    std::vector<char> out(Buffer::kSize - kMaxTargetBytes);  // as an exchange has it
    out.resize(write_request_head(head_, rewrite, out));
    result_.upstream_head.assign(out.begin(), out.end());
    result_.outcome = Outcome::forwarded;
    if (out.empty()) {
      const Error too_large{.kind = ErrorKind::too_large, .side = Side::client};
      end(Outcome::refused, failure_of(too_large).status,
          "the request head is too large once the proxy's own fields are added");
    }
  }

  const ServedConfiguration& configuration_;
  const settings::Settings& settings_;
  const rules::RuleTable& table_;
  const Machine& machine_;
  const Question& question_;
  const Url url_;
  const std::string head_text_;

  Entrance entrance_;
  CertificateChoice certificates_;
  std::optional<std::size_t> chosen_;  // of `certificates_`
  RequestHead head_;
  std::string path_;
  std::array<char, kHostBytes> host_{};
  ExaminedRequest asked_;
  Explanation result_;
};

}  // namespace

Result<Explanation> explain(const ServedConfiguration& configuration, const Machine& machine,
                            const Question& question) {
  auto url = parse_url(question.url);
  if (!url) return std::move(url).error();
  auto head = head_text(*url, question);
  if (!head) return std::move(head).error();
  return Explainer(configuration, machine, question, *std::move(url), *std::move(head)).run();
}

Result<std::string> explain_as(ReportFormat format, const ServedConfiguration& configuration,
                               const Machine& machine, const Question& question) {
  const auto explanation = explain(configuration, machine, question);
  if (!explanation) return explanation.error();
  const auto write = format == ReportFormat::json ? explanation_json : explanation_text;
  return write(*explanation, question, configuration.settings);
}

}  // namespace ocsproxy
