#include "check/log_judge.h"

#include <algorithm>
#include <functional>

#include "base/text.h"
#include "check/log_lines.h"
#include "proxy/access_log.h"
#include "proxy/judgement.h"
#include "proxy/log_line.h"
#include "rules/judge.h"

namespace ocsproxy {
namespace {

constexpr std::string_view kRedirectStatus = "302";
// What ISA Server logs in place of a status.
constexpr std::string_view kFilteredStatus = "12217";

Outcome outcome_of(rules::Answer answer) {
  switch (answer) {
    case rules::Answer::forward:
      return Outcome::allowed;
    case rules::Answer::deny:
      return Outcome::denied;
    case rules::Answer::redirect:
      return Outcome::redirected;
    case rules::Answer::to_https:
      return Outcome::to_https;
    case rules::Answer::not_served:
      return Outcome::not_served;
  }
  return Outcome::denied;
}

// Only what is malformed, or has been here before, ends in the head's phase: "client malformed in
// request_head: …".
bool was_refused(const LogEntry& entry) {
  if (!iequals(entry[LogField::action], "Denied")) return false;
  const std::string_view phase = to_string(Phase::request_head);
  if (entry.form == LogForm::json) return entry[LogField::error_phase] == phase;
  const std::string_view error = entry[LogField::error];
  return entry.form == LogForm::w3c && error.substr(0, error.find(": ")).ends_with(phase);
}

// A rule allowed it, and its HTTP filter did not.
bool was_filtered(const LogEntry& entry) {
  if (!iequals(entry[LogField::action], "Denied")) return false;
  if (entry.form == LogForm::isa) return entry[LogField::status] == kFilteredStatus;
  const std::string_view filtered = to_string(ErrorKind::filtered);
  if (entry.form == LogForm::json) return entry[LogField::error_kind] == filtered;
  const std::string_view error = entry[LogField::error];
  const std::size_t side = error.find(' ');
  return side != std::string_view::npos && error.substr(side + 1).starts_with(filtered);
}

bool is_raw(char c) { return c <= ' ' || c > '~'; }

}  // namespace

// The message under judgement, with the buffers that its views are of.
struct LogJudge::Message {
  rules::ClientPosition client;
  bool secure = false;
  bool is_cut = false;  // the query is longer than it was logged
  RequestHead head;
  Refusal refusal;
  ExaminedRequest asked;  // empty after a refusal

  std::string url_buffer = std::string(LogLines::kMaxLine, '\0');
  std::string target_buffer;
  std::string path = std::string(kMaxTargetBytes, '\0');
  std::array<char, kHostBytes> host{};
  std::string scratch = std::string(rules::HttpFilter::kScratchBytes, '\0');

  std::optional<Unjudged> read(const LogEntry& entry);
  bool has_port(const settings::Listener& listener, std::uint16_t port) const {
    return secure ? listener.https && *listener.https->port == port
                  : listener.http && *listener.http->port == port;
  }
};

// Fills `secure` and `head`, as the parser would have left it.
std::optional<Unjudged> LogJudge::Message::read(const LogEntry& entry) {
  const std::string_view logged = entry[LogField::url];
  const bool is_ours = entry.form != LogForm::isa;
  is_cut = is_ours && LogLine::is_cut(logged, kMaxLoggedUrl);
  if (is_cut && logged.find('?') == std::string_view::npos) return Unjudged::cut_url;
  const std::string_view url = unescaped(logged, entry.form, url_buffer);
  // Such bytes ISA Server decoded for the log; what the client sent is not known.
  if (!is_ours && std::ranges::any_of(url, is_raw)) return Unjudged::no_request;

  const bool https = istarts_with(url, "https://");
  const bool has_host = https || istarts_with(url, "http://");
  const std::string_view protocol = entry[LogField::protocol];
  secure = protocol.empty() ? https : iequals(protocol, "https");
  const bool known = protocol.empty() ? has_host : secure || iequals(protocol, "http");
  const bool has_path = has_host || url.starts_with('/');
  if (!known || !has_path || !is_token(entry[LogField::method])) return Unjudged::no_request;

  head.method = entry[LogField::method];
  head.method_id = method_id(head.method);
  head.fields.clear();
  // A URL without a host was asked for by HTTP/1.0 without Host.
  head.version = has_host ? Version::http1_1 : Version::http1_0;
  head.target = url;
  if (!has_host) return std::nullopt;
  const std::string_view rest = url.substr(url.find("//") + 2);
  const std::size_t end = std::min(rest.find_first_of("/?"), rest.size());
  head.fields.add({.name = "Host", .value = rest.substr(0, end), .id = FieldId::host});
  head.target = rest.substr(end);
  if (!head.target.starts_with('/')) head.target = target_buffer.assign("/").append(head.target);
  return std::nullopt;
}

std::optional<Then> read_outcome(const LogEntry& entry) {
  const std::string_view action = entry[LogField::action];
  Then then{.rule = entry[LogField::rule]};
  // The rule that ISA Server has where we have none; an enterprise's is "[Enterprise] Default
  // Rule".
  if (entry.form == LogForm::isa && iends_with(then.rule, "default rule")) then.rule = {};
  if (iequals(action, "Denied")) {
    if (entry[LogField::status] == kRedirectStatus) {
      then.outcome = then.rule.empty() ? Outcome::to_https : Outcome::redirected;
    }
    return then;
  }
  const bool allowed =
      iequals(action, "Allowed") || iequals(action, "Established") || iequals(action, "Terminated");
  // What failed was allowed before: by a rule.
  const bool failed = iequals(action, "Failed") && !then.rule.empty();
  if (!allowed && !failed) return std::nullopt;
  then.outcome = Outcome::allowed;
  // ISA Server's names of sites are not ours: it has addresses, and names of its own farms.
  if (entry.form != LogForm::isa) then.site = entry[LogField::site];
  return then;
}

LogJudge::LogJudge(const rules::Policy& policy, std::optional<std::uint32_t> listener)
    : settings_(*policy.settings),
      table_(*policy.table),
      listener_for_others_(listener),
      message_(std::make_unique<Message>()) {
  std::array<char, kSpelledNameBytes> buffer;
  for (const LogForm form : {LogForm::w3c, LogForm::json}) {
    Names& names = listeners_[static_cast<std::size_t>(form)];
    for (std::uint32_t number = 0; number < settings_.listeners.size(); ++number) {
      names.try_emplace(std::string(spelled(*settings_.listeners[number].name, form, buffer)),
                        number);
    }
  }
}

LogJudge::~LogJudge() = default;

std::optional<Unjudged> LogJudge::judge(const LogEntry& entry, Judged& judged) {
  const std::string_view service = entry[LogField::service];
  if (!service.empty() && service != "w3reverseproxy") return Unjudged::not_publishing;
  const bool filtered = was_filtered(entry);
  if (!filtered && was_refused(entry)) return Unjudged::refused_then;
  const auto then = read_outcome(entry);
  if (!then) return Unjudged::no_outcome;
  judged.then = *then;

  const auto client = IpAddress::parse(entry[LogField::client]);
  if (!client) return Unjudged::no_client;
  Message& message = *message_;
  message.client = table_.locate(*client);
  if (const auto why = message.read(entry)) return why;
  message.refusal =
      examine_request(message.head, message.secure, 0, message.path, message.host, message.asked);
  if (message.refusal) message.asked = {};
  if (const auto why = find_listener(entry)) return why;
  judged.now = judge_at(chosen_);
  // Rules do not look at the query, and filters do.
  if (message.is_cut && judged.now.outcome == Outcome::allowed &&
      table_.filter_of(judged.now.rule) != nullptr) {
    return Unjudged::cut_url;
  }
  if (filtered && judged.now.outcome == Outcome::allowed) return Unjudged::filtered_then;
  compare(entry, judged);
  return std::nullopt;
}

std::optional<Unjudged> LogJudge::find_listener(const LogEntry& entry) {
  const std::string_view name = entry[LogField::listener];
  if (!name.empty()) {
    const Names& names = listeners_[static_cast<std::size_t>(entry.form)];
    const auto found = names.find(name);
    if (found != names.end()) {
      chosen_ = found->second;
      return std::nullopt;
    }
  }
  if (listener_for_others_) {
    chosen_ = *listener_for_others_;
    return std::nullopt;
  }
  return name.empty() ? choose_listener() : std::optional(Unjudged::unknown_listener);
}

// Where did it come in, when the log does not say? Certain only where every listener that it may
// have been would answer alike.
std::optional<Unjudged> LogJudge::choose_listener() {
  const std::uint16_t usual = message_->secure ? 443 : 80;
  const rules::Authority& name = message_->asked.host.authority;
  const std::uint16_t port = name.port != 0 ? name.port : usual;
  candidates_.clear();
  for (std::uint32_t number = 0; number < settings_.listeners.size(); ++number) {
    if (message_->has_port(settings_.listeners[number], port)) candidates_.push_back(number);
  }
  if (candidates_.empty()) return Unjudged::no_listener;
  // DNS leads clients to the listener that is for them and has the name.
  const auto prefer = [this](auto fits) {
    if (std::ranges::any_of(candidates_, fits)) std::erase_if(candidates_, std::not_fn(fits));
  };
  prefer([this](std::uint32_t number) { return table_.serves(number, message_->client); });
  prefer([&](std::uint32_t number) { return table_.publishes(number, name.name); });
  chosen_ = candidates_.front();
  const Now answer = judge_at(chosen_);
  const bool alike = std::ranges::all_of(
      candidates_, [&](std::uint32_t number) { return judge_at(number) == answer; });
  return alike ? std::nullopt : std::optional(Unjudged::many_listeners);
}

Now LogJudge::judge_at(std::uint32_t listener) const {
  const Message& message = *message_;
  const settings::Listener& one = settings_.listeners[listener];
  const bool listens = message.secure ? one.https.has_value() : one.http.has_value();
  if (!listens || !table_.serves(listener, message.client)) return {Outcome::not_served};
  if (message.refusal) return {.outcome = Outcome::refused, .reason = message.refusal.why};
  const auto [answer, decision] = rules::judge(settings_, table_, message.secure,
                                               {.listener = listener,
                                                .client = message.client,
                                                .public_name = message.asked.host.authority.name,
                                                .path = message.asked.target.path,
                                                .method = message.head.method});
  if (answer == rules::Answer::forward) {
    // The URL and the method are what the log has of all that a filter looks at.
    const rules::Filtered filtered = rules::filter_request(
        table_.filter_of(decision.rule),
        {.method = message.head.method, .target = message.asked.target}, message_->scratch);
    if (filtered.refused) {
      return {.outcome = Outcome::refused,
              .rule = decision.rule,
              .reason = rules::describe(filtered.objection->check)};
    }
  }
  return {.outcome = outcome_of(answer), .rule = decision.rule};
}

const LogJudge::SpelledRules& LogJudge::spelled_rules(LogForm form) {
  std::optional<SpelledRules>& spelled_rules = spelled_rules_[static_cast<std::size_t>(form)];
  if (spelled_rules) return *spelled_rules;
  SpelledRules& made = spelled_rules.emplace();
  std::array<char, kSpelledNameBytes> buffer;
  const auto add = [&](std::string_view name) {
    const std::string_view word = spelled(name, form, buffer);
    made.text += word;
    return static_cast<std::uint32_t>(word.size());
  };
  for (const settings::Rule& rule : settings_.rules) {
    SpelledRules::Place& place = made.places.emplace_back();
    place.begin = made.text.size();
    place.name = add(*rule.name);
    if (rule.to) place.site = add(*rule.to->site);
  }
  return made;
}

void LogJudge::compare(const LogEntry& entry, Judged& judged) {
  const Then& then = judged.then;
  const Now& now = judged.now;
  judged.same_site = true;
  if (now.rule == rules::kNoRule) {
    judged.same_rule = then.rule.empty();
    return;
  }
  const SpelledRules& rules = spelled_rules(entry.form);
  const SpelledRules::Place& place = rules.places[now.rule];
  const std::string_view name(rules.text.data() + place.begin, place.name);
  const std::string_view site(rules.text.data() + place.begin + place.name, place.site);
  judged.same_rule = then.rule == name;
  if (!site.empty() && !then.site.empty()) judged.same_site = then.site == site;
}

}  // namespace ocsproxy
