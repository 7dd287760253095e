#include "check/diff_report.h"

#include <array>

#include "base/json.h"
#include "check/region_text.h"
#include "settings/shown_text.h"

namespace ocsproxy {
namespace {

constexpr std::uint32_t kBefore = 0, kNow = 1;

std::string_view word(PolicyAnswer::Kind kind) {
  static constexpr std::array<std::string_view, 5> kWords{"not-served", "deny", "redirect",
                                                          "to-https", "allow"};
  return kWords[static_cast<std::size_t>(kind)];
}

std::string answer_text(const PolicyAnswer& answer, const PolicyFile& policy) {
  if (answer.kind == PolicyAnswer::Kind::not_served)
    return "not served: the listener is not for them";
  if (answer.kind == PolicyAnswer::Kind::to_https) return "the listener sends them to https";
  if (answer.rule == rules::kNoRule) return "no rule matches, so it is denied";
  const settings::Rule& rule = policy.settings.rules[answer.rule];
  const std::string who = rule_text(policy, answer.rule);
  if (answer.kind == PolicyAnswer::Kind::deny) return who + " denies";
  if (answer.kind == PolicyAnswer::Kind::redirect) return who + " redirects to " + *rule.redirect;
  const settings::Path& path = rule.paths[answer.path];
  std::string text = who + " allows, to " + site_text(rule);
  if (path.internal != path.external) {
    const char* const rest = path.kind == settings::Path::Kind::prefix ? "/*" : "";
    text += ", " + path.external + rest + " as " + path.internal + rest;
  }
  if (*rule.delegation == settings::Delegation::none) text += ", without credentials";
  if (rule.filter == settings::kNoFilter) return text;
  return text + (rule.http_filter->empty()
                     ? ", through an HTTP filter of its own"
                     : ", through the HTTP filter " + settings::shown(*rule.http_filter));
}

std::string ways_in(const Difference& difference) {
  return difference.https && difference.http ? "https and http"
         : difference.https                  ? "https"
                                             : "http";
}

std::string counted(const PolicyDiff& diff) {
  std::array<std::size_t, 6> counts{};
  for (const Difference& one : diff.differences) ++counts[static_cast<std::size_t>(one.change)];
  std::string text;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] == 0) continue;
    text += (text.empty() ? "" : ", ") + std::to_string(counts[i]) + ' ' +
            std::string(to_string(static_cast<Change>(i)));
  }
  return text;
}

// Networks are called as in the policy in which the requests get through.
std::uint32_t side_to_describe(const Difference& difference) {
  return difference.now.kind == PolicyAnswer::Kind::not_served ? kBefore : kNow;
}

void write_answer(JsonWriter& json, std::string_view key, const PolicyAnswer& answer,
                  const PolicyFile& policy) {
  json.key(key).begin_object().field("answer", word(answer.kind));
  if (answer.rule != rules::kNoRule) write_rule(json, policy, answer.rule);
  json.end_object();
}

}  // namespace

std::string diff_as_text(const PolicyDiff& diff, const rules::RequestSpace& space,
                         const PolicyFile& before, const PolicyFile& now) {
  if (diff.empty()) return "no behavioural difference: every request gets the same answer\n";
  std::string text;
  for (const Difference& one : diff.differences) {
    text += std::string(to_string(one.change)) + ": " + std::string(describe(one.change)) + '\n';
    text += labelled("listener", one.witness.listener + " (" + ways_in(one) + ')');
    text += boxes_text(space, side_to_describe(one), one.boxes);
    text += labelled("before", answer_text(one.before, before));
    text += labelled("now", answer_text(one.now, now));
    text += labelled("example", one.witness.to_string());
    if (one.partly) {
      text +=
          labelled("but", "a regex decides which of these differ; the example does for certain");
    }
    text += '\n';
  }
  for (const Undecided& one : diff.undecided) {
    text += "undecided: whether these differ depends on what a regex matches\n";
    text += labelled("regexes", regexes_text(one.regexes));
    text += labelled("listener", space.listeners()[one.boxes.front().group->listener].name);
    text += boxes_text(space, kNow, one.boxes) + '\n';
  }
  if (diff.differences.empty()) {
    return text + "no behavioural difference, but for what the regexes above leave undecided\n";
  }
  const std::size_t count = diff.differences.size();
  return text + std::to_string(count) + (count == 1 ? " difference: " : " differences: ") +
         counted(diff) +
         (diff.undecided.empty() ? "" : "; more may be where regexes leave it undecided") + '\n';
}

std::string diff_as_json(const PolicyDiff& diff, const rules::RequestSpace& space,
                         const PolicyFile& before, const PolicyFile& now) {
  JsonWriter json;
  json.begin_object().key("differences").begin_array();
  for (const Difference& one : diff.differences) {
    json.begin_object().field("change", to_string(one.change));
    json.field("listener", one.witness.listener).key("schemes").begin_array();
    if (one.https) json.text("https");
    if (one.http) json.text("http");
    json.end_array();
    write_boxes(json, space, side_to_describe(one), one.boxes);
    write_answer(json, "before", one.before, before);
    write_answer(json, "now", one.now, now);
    json.key("partly").boolean(one.partly);
    write_witness(json, one.witness);
    json.end_object();
  }
  json.end_array().key("undecided").begin_array();
  for (const Undecided& one : diff.undecided) {
    json.begin_object().key("regexes").begin_array();
    for (const std::string& regex : one.regexes) json.text(regex);
    json.end_array();
    json.field("listener", space.listeners()[one.boxes.front().group->listener].name);
    write_boxes(json, space, kNow, one.boxes);
    json.end_object();
  }
  json.end_array().end_object();
  return json.take();
}

}  // namespace ocsproxy
