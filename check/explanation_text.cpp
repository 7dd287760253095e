#include <algorithm>
#include <string>
#include <vector>

#include "base/json.h"
#include "check/explain.h"
#include "settings/shown_text.h"

namespace ocsproxy {
namespace {

using Outcome = Explanation::Outcome;
using rules::Condition;
using rules::RuleTrace;
using settings::Rule;
using settings::Settings;
using settings::shown;

// "a, b or c"; of many the first.
std::string one_of(const std::vector<std::string>& texts) {
  constexpr std::size_t kMostShown = 8;
  std::string text;
  for (std::size_t i = 0; i < std::min(texts.size(), kMostShown); ++i) {
    const bool last = i + 1 == texts.size();
    text += (i == 0 ? "" : last ? " or " : ", ") + texts[i];
  }
  if (texts.size() <= kMostShown) return text;
  return text + " or one of " + std::to_string(texts.size() - kMostShown) + " more";
}

std::string written(const Located<std::string>& value) { return *value; }

std::string written(const settings::Source& source) { return source.text; }

std::string written(const settings::Path& path) {
  if (path.kind == settings::Path::Kind::regex) return "{regex: " + shown(path.external) + '}';
  return path.kind == settings::Path::Kind::prefix ? path.external + "/*" : path.external;
}

template <class Value>
std::vector<std::string> texts_of(const std::vector<Value>& values) {
  std::vector<std::string> texts;
  texts.reserve(values.size());
  for (const Value& value : values) texts.push_back(written(value));
  return texts;
}

std::string sources_wanted(const Rule& rule) {
  std::string text =
      rule.from.empty() ? std::string(settings::kAnywhere) : one_of(texts_of(rule.from));
  if (!rule.except_from.empty()) text += ", except from " + one_of(texts_of(rule.except_from));
  return text;
}

std::string_view name_of(Condition condition) {
  switch (condition) {
    case Condition::none:
      return "";
    case Condition::enabled:
      return "enabled";
    case Condition::listener:
      return "listener";
    case Condition::from:
      return "from";
    case Condition::public_name:
      return "public_names";
    case Condition::path:
      return "paths";
    case Condition::method:
      return "methods";
  }
  return "";
}

struct Compared {
  std::string asked;
  std::string wanted;
};

// One answer of the rules: to the path as it came, or without its parameters.
struct Answer {
  const std::vector<RuleTrace>& rules;
  const std::string& path;

  bool decides(std::uint32_t rule) const {
    return std::ranges::find(rules, Condition::none, &RuleTrace::failed) - rules.begin() == rule;
  }
};

Compared compare(const Rule& rule, Condition condition, const Answer& answer,
                 const Explanation& explanation, const Question& question,
                 const Settings& settings) {
  switch (condition) {
    case Condition::none:
    case Condition::enabled:
      return {};
    case Condition::listener:
      return {*settings.listeners[*explanation.listener].name, *rule.listener};
    case Condition::from:
      return {question.from.to_string() + " (" + explanation.network + ')', sources_wanted(rule)};
    case Condition::public_name:
      return {explanation.public_name.empty() ? "no name" : explanation.public_name,
              one_of(texts_of(rule.public_names))};
    case Condition::path:
      return {answer.path, one_of(texts_of(rule.paths))};
    case Condition::method:
      return {question.method, one_of(texts_of(rule.methods))};
  }
  return {};
}

std::string quoted_rule(const Settings& settings, std::uint32_t rule) {
  return "rule " + std::to_string(rule + 1) + ' ' + shown(*settings.rules[rule].name);
}

std::string verdict_text(const Explanation& explanation, const Settings& settings) {
  const bool by_rule = explanation.decision.rule != rules::kNoRule;
  const std::string by = by_rule ? " by " + quoted_rule(settings, explanation.decision.rule) : "";
  switch (explanation.outcome) {
    case Outcome::no_listener:
      return "no connection: " + explanation.reason;
    case Outcome::not_served:
      return "the connection is dropped: " + explanation.reason;
    case Outcome::refused:
      return "refused with " + std::to_string(explanation.status) +
             (by_rule ? ", though allowed" + by : "") + ": " + explanation.reason;
    case Outcome::redirected:
      return "redirected to " + explanation.location + (by_rule ? by : " by the listener");
    case Outcome::forwarded:
      return "allowed" + by;
    case Outcome::denied:
      break;
  }
  if (!explanation.reason.empty()) return "denied with 403: " + explanation.reason;
  return "denied with 403" +
         (by_rule ? by : ": no rule matches, and the last, implicit rule denies");
}

std::string rule_text(const Answer& answer, std::uint32_t number, const Explanation& explanation,
                      const Question& question, const Settings& settings) {
  const Rule& rule = settings.rules[number];
  const RuleTrace& trace = answer.rules[number];
  const std::string text = "  " + std::to_string(number + 1) + ' ' + shown(*rule.name) +
                           (*rule.action == settings::Action::allow ? ", allow: " : ", deny: ");
  if (trace.failed == Condition::enabled) return text + "no, it is not enabled\n";
  if (trace.failed != Condition::none) {
    const Compared compared = compare(rule, trace.failed, answer, explanation, question, settings);
    return text + "no, " + std::string(name_of(trace.failed)) + ": asked " + compared.asked +
           ", wanted " + compared.wanted + '\n';
  }
  return text + "matches by path " + written(rule.paths[trace.path]) +
         (answer.decides(number) ? ", and decides\n" : ", but an earlier rule decides\n");
}

std::string rules_text(const Answer& answer, const Explanation& explanation,
                       const Question& question, const Settings& settings) {
  std::string text;
  for (std::uint32_t number = 0; number < answer.rules.size(); ++number) {
    text += rule_text(answer, number, explanation, question, settings);
  }
  return text;
}

std::string certificate_text(const Explanation& explanation) {
  if (explanation.certificate.empty()) return {};
  return "certificate: " + explanation.certificate +
         (explanation.certificate_covers ? "\n"
                                         : ", which is not for this name: clients refuse it\n");
}

std::string upstream_text(const Explanation& explanation, const Settings& settings) {
  const Rule& rule = settings.rules[explanation.decision.rule];
  std::string text =
      "upstream: " +
      std::string(*rule.bridging == settings::Bridging::https ? "https://" : "http://") +
      *rule.to->site + ':' + std::to_string(*rule.to->port);
  if (!rule.to->addresses.empty()) text += " at " + one_of(texts_of(rule.to->addresses));
  text += "; X-Request-Id and the name in Via are others each time\n";
  std::string_view rest = explanation.upstream_head;
  while (rest.find("\r\n") != 0 && !rest.empty()) {
    const std::size_t end = rest.find("\r\n");
    text.append("  ").append(rest.substr(0, end)).append("\n");
    rest.remove_prefix(end + 2);
  }
  return text;
}

std::string filter_text(const FilterAnswers& filter) {
  const bool objects = std::ranges::any_of(
      filter.checks, [](const auto& answer) { return !answer.objection.empty(); });
  std::string text =
      "HTTP filter: " + (filter.name.empty() ? "the rule's own" : shown(filter.name));
  text += !objects          ? ", lets it pass\n"
          : filter.enforces ? ", refuses it\n"
                            : ", only reports what it would refuse\n";
  for (const auto& [check, objection] : filter.checks) {
    text.append("  ").append(rules::to_string(check)).append(": ");
    text.append(objection.empty() ? "passes" : objection).append("\n");
  }
  if (filter.looks_further) text += "  it looks at bodies or responses too, which are not known\n";
  return text;
}

void write_filter(JsonWriter& json, const FilterAnswers& filter) {
  json.key("http_filter").begin_object();
  if (!filter.name.empty()) json.field("name", filter.name);
  json.field("mode", filter.enforces ? "enforce" : "report");
  json.key("checks").begin_array();
  for (const auto& [check, objection] : filter.checks) {
    json.begin_object().field("check", rules::to_string(check));
    json.key("passes").boolean(objection.empty());
    if (!objection.empty()) json.field("objection", objection);
    json.end_object();
  }
  json.end_array();
  json.key("looks_further").boolean(filter.looks_further);
  json.end_object();
}

std::string_view outcome_name(Outcome outcome) {
  switch (outcome) {
    case Outcome::no_listener:
      return "no-listener";
    case Outcome::not_served:
      return "not-served";
    case Outcome::refused:
      return "refused";
    case Outcome::denied:
      return "denied";
    case Outcome::redirected:
      return "redirected";
    case Outcome::forwarded:
      return "forwarded";
  }
  return "";
}

void write_rules(JsonWriter& json, std::string_view key, const Answer& answer,
                 const Explanation& explanation, const Question& question,
                 const Settings& settings) {
  json.key(key).begin_array();
  for (std::uint32_t number = 0; number < answer.rules.size(); ++number) {
    const Rule& rule = settings.rules[number];
    const RuleTrace& trace = answer.rules[number];
    json.begin_object().field("rule", *rule.name);
    json.key("matches").boolean(trace.failed == Condition::none);
    if (trace.failed == Condition::none) {
      json.field("path", written(rule.paths[trace.path]));
    } else {
      const Compared compared =
          compare(rule, trace.failed, answer, explanation, question, settings);
      json.field("failed", name_of(trace.failed));
      json.field("asked", compared.asked).field("wanted", compared.wanted);
    }
    json.end_object();
  }
  json.end_array();
}

}  // namespace

std::string explanation_text(const Explanation& explanation, const Question& question,
                             const Settings& settings) {
  std::string text = question.method + ' ' + question.url + " from " + question.from.to_string() +
                     " (" + explanation.network + ")\n";
  text += "verdict: " + verdict_text(explanation, settings) + '\n';
  if (!explanation.near_miss.empty()) text += "near miss: " + explanation.near_miss + '\n';
  if (explanation.listener) {
    text += "listener: " + shown(*settings.listeners[*explanation.listener].name);
    if (!explanation.other_listeners.empty()) {
      text += "; also on this port: " + one_of(explanation.other_listeners);
    }
    text += '\n';
  }
  text += certificate_text(explanation);
  if (!explanation.path.empty()) text += "path: " + explanation.path + '\n';
  if (!explanation.rules.empty()) {
    text += "rules:\n" +
            rules_text({explanation.rules, explanation.path}, explanation, question, settings);
  }
  if (!explanation.path_without_parameters.empty()) {
    text += "rules for the path without parameters, " + explanation.path_without_parameters +
            ", which have to allow it too:\n" +
            rules_text({explanation.rules_without_parameters, explanation.path_without_parameters},
                       explanation, question, settings);
  }
  if (explanation.filter) text += filter_text(*explanation.filter);
  if (explanation.outcome == Outcome::forwarded) text += upstream_text(explanation, settings);
  return text;
}

std::string explanation_json(const Explanation& explanation, const Question& question,
                             const Settings& settings) {
  JsonWriter json;
  json.begin_object();
  json.field("url", question.url).field("method", question.method);
  json.field("from", question.from.to_string()).field("network", explanation.network);
  json.field("outcome", outcome_name(explanation.outcome));
  if (explanation.status != 0) json.field("status", explanation.status);
  if (!explanation.reason.empty()) json.field("reason", explanation.reason);
  if (!explanation.location.empty()) json.field("location", explanation.location);
  if (explanation.decision.rule != rules::kNoRule) {
    json.field("rule", *settings.rules[explanation.decision.rule].name);
  }
  if (!explanation.near_miss.empty()) json.field("near_miss", explanation.near_miss);
  if (explanation.listener) {
    json.field("listener", *settings.listeners[*explanation.listener].name);
  }
  if (!explanation.certificate.empty()) {
    json.field("certificate", explanation.certificate);
    json.key("certificate_covers").boolean(explanation.certificate_covers);
  }
  json.field("public_name", explanation.public_name).field("path", explanation.path);
  write_rules(json, "rules", {explanation.rules, explanation.path}, explanation, question,
              settings);
  if (!explanation.path_without_parameters.empty()) {
    json.field("path_without_parameters", explanation.path_without_parameters);
    write_rules(json, "rules_without_parameters",
                {explanation.rules_without_parameters, explanation.path_without_parameters},
                explanation, question, settings);
  }
  if (explanation.filter) write_filter(json, *explanation.filter);
  if (explanation.outcome == Outcome::forwarded) {
    const settings::Target& to = *settings.rules[explanation.decision.rule].to;
    json.key("upstream").begin_object().field("site", *to.site).field("port", *to.port);
    json.field("head", explanation.upstream_head).end_object();
  }
  json.end_object();
  return json.take();
}

}  // namespace ocsproxy
