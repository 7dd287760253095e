#include "check/replay_report.h"

#include <algorithm>
#include <array>

#include "base/json.h"
#include "check/region_text.h"
#include "settings/shown_text.h"

namespace ocsproxy {
namespace {

using settings::shown;

struct Reason {
  std::string_view code;
  std::string_view sentence;
};
// In the order of Unjudged.
constexpr std::array<Reason, kUnjudged> kReasons{
    {{"refused-then", "the message itself was refused, so no rule was asked"},
     {"not-publishing", "a client on the inside asked, through ISA Server as a forward proxy"},
     {"cut-off", "the log ends in the middle of the line"},
     {"too-long", "the line is longer than 64 KiB"},
     {"no-columns",
      "no #Fields line stands before it: put that of the log's beginning in front of it"},
     {"missing-columns", "the columns lack what a replay needs"},
     {"other-columns", "it has more or fewer columns than the #Fields line before it names"},
     {"no-json", "it is no JSON as ocsproxy writes it"},
     {"no-client", "the client's address is missing or malformed"},
     {"no-request", "there is no URL of http or https with its method, as a client sent it"},
     {"cut-url", "the URL is longer than a log line has room for, so its end is not known"},
     {"no-outcome", "the log does not say whether a rule allowed it"},
     {"filtered-then",
      "an HTTP filter refused it, and the log does not have all that the filter of the rule that "
      "allows it now looks at"},
     {"unknown-listener",
      "it came to a listener that the configuration does not have: name the one that takes its "
      "place with --listener"},
     {"no-listener",
      "no listener has the port of the URL: name the one that is meant with --listener"},
     {"many-listeners",
      "listeners that it may have come to would answer otherwise: name the one that is meant with "
      "--listener"}}};

std::string_view word(Outcome outcome) {
  static constexpr std::array<std::string_view, 6> kWords{"allow",    "deny",       "redirect",
                                                          "to-https", "not-served", "refuse"};
  return kWords[static_cast<std::size_t>(outcome)];
}

std::string then_text(const ReplayGroup& group) {
  if (group.then == Outcome::to_https) return "the listener sent it to https";
  const bool denied = group.then == Outcome::denied;
  if (group.then_rule.empty()) return denied ? "denied, by no rule" : "allowed";
  std::string text = "rule " + shown(group.then_rule);
  if (denied) return text + " denied";
  if (group.then == Outcome::redirected) return text + " redirected";
  return text + " allowed" + (group.then_site.empty() ? "" : ", to " + shown(group.then_site));
}

std::string now_text(const Now& now, const PolicyFile& policy) {
  switch (now.outcome) {
    case Outcome::allowed:
      return rule_text(policy, now.rule) + " allows, to " +
             site_text(policy.settings.rules[now.rule]);
    case Outcome::denied:
      return now.rule == rules::kNoRule ? "no rule matches, so it is denied"
                                        : rule_text(policy, now.rule) + " denies";
    case Outcome::redirected:
      return rule_text(policy, now.rule) + " redirects to " +
             *policy.settings.rules[now.rule].redirect;
    case Outcome::to_https:
      return "the listener sends it to https";
    case Outcome::not_served:
      return "not served: the listener has no such port, or is not for this client";
    case Outcome::refused:
      if (now.rule == rules::kNoRule) return "refused before any rule: " + std::string(now.reason);
      return rule_text(policy, now.rule) +
             " allows, and is not to forward it: " + std::string(now.reason);
  }
  return {};
}

std::string place(const Examples::Line& line) {
  return line.log + ':' + std::to_string(line.number);
}

std::string examples_text(const Examples& examples) {
  std::string text;
  for (const Examples::Line& line : examples.first) {
    text += labelled("example", place(line) + (line.request.empty() ? "" : ": ") + line.request);
  }
  return text;
}

std::string group_text(const ReplayGroup& group, const Examples& examples,
                       const PolicyFile& policy) {
  std::string text = group.change ? std::string(to_string(*group.change)) + ": " +
                                        std::string(describe(*group.change))
                                  : "by another rule: with the same outcome";
  return text + '\n' + labelled("lines", std::to_string(examples.lines)) +
         labelled("before", then_text(group)) + labelled("now", now_text(group.now, policy)) +
         examples_text(examples) + '\n';
}

std::string unjudged_text(const ReplayResult& result, std::size_t why) {
  const Examples& examples = result.unjudged[why];
  std::string text = has_no_say(static_cast<Unjudged>(why)) ? "passed over: " : "not judged: ";
  text += kReasons[why].sentence;
  if (static_cast<Unjudged>(why) == Unjudged::missing_columns) {
    text += ": " + result.missing_columns;
  }
  return text + '\n' + labelled("lines", std::to_string(examples.lines)) + examples_text(examples) +
         '\n';
}

std::string summary(const ReplayResult& result) {
  std::array<std::uint64_t, 6> changes{};
  for (const auto& [group, examples] : result.groups) {
    if (group.change) changes[static_cast<std::size_t>(*group.change)] += examples.lines;
  }
  std::string counted;
  const auto add = [&counted](std::uint64_t lines, std::string_view what) {
    if (lines == 0) return;
    counted += (counted.empty() ? "" : ", ") + std::to_string(lines) + ' ' + std::string(what);
  };
  for (std::size_t i = 0; i < changes.size(); ++i)
    add(changes[i], to_string(static_cast<Change>(i)));
  add(result.further, "changed in further ways");
  add(result.doubtful(), "not judged");
  const std::uint64_t passed_over =
      result.lines - result.same - result.changed() - result.doubtful();
  add(passed_over, "passed over");
  add(result.same, "with the same outcome");
  return std::to_string(result.lines) + (result.lines == 1 ? " request" : " requests") +
         (counted.empty() ? "" : ": ") + counted + '\n';
}

void write_examples(JsonWriter& json, const Examples& examples) {
  json.field("lines", examples.lines).key("examples").begin_array();
  for (const Examples::Line& line : examples.first) {
    json.begin_object().field("log", line.log).field("line", line.number);
    if (!line.request.empty()) json.field("request", line.request);
    json.end_object();
  }
  json.end_array();
}

void write_group(JsonWriter& json, const ReplayGroup& group, const Examples& examples,
                 const PolicyFile& policy) {
  json.begin_object();
  if (group.change) json.field("change", to_string(*group.change));
  json.key("before").begin_object().field("answer", word(group.then));
  if (!group.then_rule.empty()) json.field("rule", group.then_rule);
  if (!group.then_site.empty()) json.field("site", group.then_site);
  json.end_object().key("now").begin_object().field("answer", word(group.now.outcome));
  if (group.now.rule != rules::kNoRule) write_rule(json, policy, group.now.rule);
  if (!group.now.reason.empty()) json.field("reason", group.now.reason);
  json.end_object();
  write_examples(json, examples);
  json.end_object();
}

void write_groups(JsonWriter& json, std::string_view key, const ReplayResult& result, bool changed,
                  const PolicyFile& policy) {
  json.key(key).begin_array();
  for (const auto& [group, examples] : result.groups) {
    if (group.change.has_value() == changed) write_group(json, group, examples, policy);
  }
  json.end_array();
}

void write_unjudged(JsonWriter& json, std::string_view key, const ReplayResult& result,
                    bool no_say) {
  json.key(key).begin_array();
  for (std::size_t why = 0; why < kUnjudged; ++why) {
    const bool wanted = has_no_say(static_cast<Unjudged>(why)) == no_say;
    if (!wanted || result.unjudged[why].lines == 0) continue;
    json.begin_object().field("reason", kReasons[why].code);
    write_examples(json, result.unjudged[why]);
    json.end_object();
  }
  json.end_array();
}

}  // namespace

std::string replay_as_text(const ReplayResult& result, const PolicyFile& policy) {
  std::string text;
  for (const auto& [group, examples] : result.groups) text += group_text(group, examples, policy);
  for (std::size_t why = 0; why < kUnjudged; ++why) {
    if (result.unjudged[why].lines != 0) text += unjudged_text(result, why);
  }
  return text + summary(result);
}

std::string replay_as_json(const ReplayResult& result, const PolicyFile& policy) {
  JsonWriter json;
  json.begin_object().field("requests", result.lines).field("same", result.same);
  json.field("changed", result.changed()).field("not_judged", result.doubtful());
  write_groups(json, "changes", result, true, policy);
  json.field("further", result.further);
  write_groups(json, "by_another_rule", result, false, policy);
  write_unjudged(json, "lines_not_judged", result, false);
  write_unjudged(json, "lines_passed_over", result, true);
  json.end_object();
  return json.take();
}

}  // namespace ocsproxy
