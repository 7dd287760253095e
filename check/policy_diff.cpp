#include "check/policy_diff.h"

#include <algorithm>
#include <array>
#include <map>
#include <tuple>

#include "base/text.h"
#include "rules/judge.h"
#include "rules/path_mapping.h"

namespace ocsproxy {
namespace {

using rules::Area;
using rules::Decision;
using rules::Match;
using settings::Rule;

constexpr std::uint32_t kBefore = 0, kNow = 1;

bool same_values(const std::vector<Located<std::string>>& a,
                 const std::vector<Located<std::string>>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const auto& x, const auto& y) { return *x == *y; });
}

bool same_target(const settings::Target& a, const settings::Target& b) {
  return *a.site == *b.site && same_values(a.addresses, b.addresses) && *a.port == *b.port &&
         a.original_host == b.original_host && *a.minimum_version == *b.minimum_version &&
         *a.legacy == *b.legacy;
}

std::string mapped(const settings::Path& mapping, const std::string& path) {
  std::string buffer(path.size() + mapping.internal.size(), '\0');
  const auto internal = rules::internal_path(mapping, path, buffer);
  return internal ? lower(*internal) : std::string();
}

// A path, and the same with parameters at each of its segments: rules judge both.
std::vector<std::string> spellings(const std::string& path) {
  std::vector<std::string> result{path};
  for (auto end = path.find('/', 1);; end = path.find('/', end + 1)) {
    result.push_back(std::string(path).insert(std::min(end, path.size()), ";x"));
    if (end == std::string::npos) return result;
  }
}

class Comparison {
 public:
  explicit Comparison(const rules::RequestSpace& space)
      : space_(space),
        examples_{rules::RegexExamples(space.policies()[kBefore].table->compiled()),
                  rules::RegexExamples(space.policies()[kNow].table->compiled())} {}

  PolicyDiff run() {
    space_.for_each_area([this](const Area& area) {
      area_ = &area;
      compare();
    });
    PolicyDiff diff;
    for (auto& [key, found] : differences_) {
      found.difference.boxes = found.region.take();
      diff.differences.push_back(std::move(found.difference));
    }
    for (auto& [regexes, region] : undecided_) diff.undecided.push_back({regexes, region.take()});
    return diff;
  }

 private:
  // What the area's requests may get on one way in: one answer, or what regexes leave possible.
  using Answers = std::vector<PolicyAnswer>;
  struct Verdicts {
    std::optional<Change> change;
    bool partly = false, undecided = false;
    PolicyAnswer before, now;
    std::string path = {};  // of a request that gets these; "": that of the area's witness

    friend bool operator==(const Verdicts&, const Verdicts&) = default;
  };

  const settings::Listener* listener(std::uint32_t policy) const {
    const std::uint32_t number = space_.listeners()[area_->group->listener].numbers[policy];
    if (number == rules::kNone) return nullptr;
    return &space_.policies()[policy].settings->listeners[number];
  }
  const Rule& rule(std::uint32_t policy, const PolicyAnswer& answer) const {
    return space_.policies()[policy].settings->rules[answer.rule];
  }

  static PolicyAnswer to_answer(const Decision& decision) {
    static constexpr std::array kKinds{PolicyAnswer::Kind::allow, PolicyAnswer::Kind::deny,
                                       PolicyAnswer::Kind::redirect};
    return {kKinds[static_cast<std::size_t>(decision.verdict)], decision.rule, decision.path};
  }

  bool goes_to_https(std::uint32_t policy) const {
    const std::string method = area_->group->method_witness(area_->method);
    const std::uint32_t number = space_.listeners()[area_->group->listener].numbers[policy];
    const std::string& name = space_.names()[area_->group->names.front()].witness;
    return rules::goes_to_https(*space_.policies()[policy].table, number, name, method);
  }

  Answers answers(std::uint32_t policy, bool https) const {
    const settings::Listener* const one = listener(policy);
    if (one == nullptr || !area_->matches[policy].served) return {{}};
    if (https ? !one->https : !one->http) return {{}};
    if (!https && one->http->redirect_to_https) {
      return {{goes_to_https(policy) ? PolicyAnswer::Kind::to_https : PolicyAnswer::Kind::deny}};
    }
    Answers result;
    for (const Decision& decision : rules::possible_decisions(area_->matches[policy])) {
      result.push_back(to_answer(decision));
    }
    return result;
  }

  static bool is_denial(const PolicyAnswer& answer) {
    return answer.kind == PolicyAnswer::Kind::deny || answer.kind == PolicyAnswer::Kind::not_served;
  }

  std::optional<Change> change(const PolicyAnswer& before, const PolicyAnswer& now) const {
    const bool allowed = before.kind == PolicyAnswer::Kind::allow;
    if (allowed != (now.kind == PolicyAnswer::Kind::allow)) {
      return allowed ? Change::closed : Change::opened;
    }
    if (allowed) return change_of_allowed(before, now);
    if (is_denial(before) && is_denial(now)) return std::nullopt;
    if (before.kind != now.kind) return Change::answer;
    if (before.kind == PolicyAnswer::Kind::to_https) return std::nullopt;
    const bool same = *rule(kBefore, before).redirect == *rule(kNow, now).redirect;
    return same ? std::nullopt : std::optional(Change::answer);
  }

  std::optional<Change> change_of_allowed(const PolicyAnswer& before,
                                          const PolicyAnswer& now) const {
    const Rule& old_rule = rule(kBefore, before);
    const Rule& new_rule = rule(kNow, now);
    const settings::Path& old_path = old_rule.paths[before.path];
    const settings::Path& new_path = new_rule.paths[now.path];
    const bool same_path = old_path.kind == new_path.kind &&
                           old_path.external == new_path.external &&
                           old_path.internal == new_path.internal;
    if (*old_rule.bridging != *new_rule.bridging || !same_target(*old_rule.to, *new_rule.to)) {
      return Change::target;
    }
    if (!same_path) {
      const std::string path = area_->group->cells.witness(area_->pair);
      if (mapped(old_path, path) != mapped(new_path, path)) return Change::target;
    }
    if (*old_rule.delegation != *new_rule.delegation) return Change::authentication;
    return same_filter(old_rule, new_rule) ? std::nullopt : std::optional(Change::filter);
  }

  bool same_filter(const Rule& before, const Rule& now) const {
    const auto of = [this](std::uint32_t policy, const Rule& rule) {
      return rule.filter == settings::kNoFilter
                 ? nullptr
                 : &space_.policies()[policy].settings->http_filters[rule.filter];
    };
    const settings::HttpFilter* const a = of(kBefore, before);
    const settings::HttpFilter* const b = of(kNow, now);
    if (a == nullptr || b == nullptr) return a == b;
    return settings::same_effect(*a, *b);
  }

  const std::string& pattern(std::uint32_t policy, std::uint32_t regex) const {
    return space_.policies()[policy].table->compiled().regexes[regex]->pattern();
  }

  // Do both lists ask the same regexes in the same order, to the same end?
  bool same_lists(const std::vector<Match>& before, const std::vector<Match>& now,
                  bool stripped) const {
    for (std::size_t i = 0;; ++i) {
      const Match a = i < before.size() ? before[i] : Match{};
      const Match b = i < now.size() ? now[i] : Match{};
      if (a.is_certain() != b.is_certain()) return false;
      const PolicyAnswer old_answer = to_answer(rules::to_decision(a.entry));
      const PolicyAnswer new_answer = to_answer(rules::to_decision(b.entry));
      const bool both_allow = old_answer.kind == PolicyAnswer::Kind::allow &&
                              new_answer.kind == PolicyAnswer::Kind::allow;
      if (!(stripped && both_allow) && change(old_answer, new_answer)) return false;
      if (a.is_certain()) return true;
      if (pattern(kBefore, a.regex) != pattern(kNow, b.regex)) return false;
    }
  }

  bool same_regexes() const {
    const rules::Matches& before = area_->matches[kBefore];
    const rules::Matches& now = area_->matches[kNow];
    return same_lists(before.as_sent, now.as_sent, false) &&
           same_lists(before.stripped, now.stripped, true);
  }

  // Which names are sent to https follows from what is published there; it is not told twice.
  bool both_go_to_https() const {
    const auto goes = [](const settings::Listener* one) {
      return one != nullptr && one->http && one->http->redirect_to_https;
    };
    return goes(listener(kBefore)) && goes(listener(kNow));
  }

  std::vector<Verdicts> judge(bool https) {
    if (!https && both_go_to_https()) return {};
    const Answers before = answers(kBefore, https), now = answers(kNow, https);
    if (before.size() == 1 && now.size() == 1) {
      return {{change(before.front(), now.front()), false, false, before.front(), now.front()}};
    }
    bool all_same = true, all_differ = true;
    for (const PolicyAnswer& a : before) {
      for (const PolicyAnswer& b : now) (change(a, b) ? all_same : all_differ) = false;
    }
    if (all_same || (before.size() > 1 && now.size() > 1 && same_regexes())) return {};
    return judge_examples(before, now, all_differ);
  }

  // What single requests get is known whatever the regexes are; for the others of the area they are
  // examples. So that what a regex opens or closes is found, paths that it matches are tried too.
  std::vector<Verdicts> judge_examples(const Answers& before, const Answers& now, bool all_differ) {
    std::vector<Verdicts> found;
    rules::Witness request = rules::witness_of(space_, *area_);
    const auto told = [&](std::uint32_t policy, const Answers& answers) {
      if (answers.size() == 1) return answers.front();
      return to_answer(*rules::decide(space_, policy, request));
    };
    const auto try_path = [&](const std::string& path) {
      if (!path.empty()) request.path = path;
      Verdicts one{{}, !all_differ, false, told(kBefore, before), told(kNow, now), path};
      one.change = change(one.before, one.now);
      const bool known = std::ranges::any_of(found, [&](const Verdicts& other) {
        return other.before == one.before && other.now == one.now;
      });
      if (one.change && !known) found.push_back(std::move(one));
    };
    try_path({});
    if (all_differ) return found;
    for (const std::uint32_t policy : {kBefore, kNow}) {
      for (const std::uint32_t regex : rules::doubtful_regexes(area_->matches[policy])) {
        for (const std::string& example : examples_[policy].of(regex)) {
          for (const std::string& path : spellings(example)) {
            if (area_->group->cells.find(path) == area_->pair) try_path(path);
          }
        }
      }
    }
    if (found.empty()) found.emplace_back().undecided = true;
    return found;
  }

  void compare() {
    const std::vector<Verdicts> https = judge(true), http = judge(false);
    const bool alike = https == http;
    for (const Verdicts& one : https) add(one, true, alike);
    if (alike) return;
    for (const Verdicts& one : http) add(one, false, true);
  }

  void add(const Verdicts& verdicts, bool https, bool http) {
    if (verdicts.undecided) add_undecided();
    if (!verdicts.change) return;
    const auto key = std::tuple(*verdicts.change, area_->group->listener, !https, http,
                                verdicts.before, verdicts.now, verdicts.partly);
    const auto [place, is_new] = differences_.try_emplace(key);
    Found& found = place->second;
    Difference& difference = found.difference;
    difference.change = *verdicts.change;
    difference.https = https;
    difference.http = http;
    difference.before = verdicts.before;
    difference.now = verdicts.now;
    difference.partly = verdicts.partly;
    rules::keep_plainer(space_, *area_, is_new, difference.witness, verdicts.path);
    difference.witness.https = https;
    found.region.add(*area_);
  }

  void add_undecided() {
    std::set<std::string> regexes;
    for (const std::uint32_t policy : {kBefore, kNow}) {
      for (const std::uint32_t regex : rules::doubtful_regexes(area_->matches[policy])) {
        regexes.insert(pattern(policy, regex));
      }
    }
    undecided_[std::move(regexes)].add(*area_);
  }

  struct Found {
    Difference difference;
    rules::Region region;
  };

  const rules::RequestSpace& space_;
  std::array<rules::RegexExamples, 2> examples_;  // by policy
  const Area* area_ = nullptr;
  std::map<std::tuple<Change, std::uint32_t, bool, bool, PolicyAnswer, PolicyAnswer, bool>, Found>
      differences_;
  std::map<std::set<std::string>, rules::Region> undecided_;
};

}  // namespace

std::string_view to_string(Change change) {
  static constexpr std::array<std::string_view, 6> kNames{"opened",         "closed", "target",
                                                          "authentication", "filter", "answer"};
  return kNames[static_cast<std::size_t>(change)];
}

std::string_view describe(Change change) {
  switch (change) {
    case Change::opened:
      return "denied before, allowed now";
    case Change::closed:
      return "allowed before, denied now";
    case Change::target:
      return "allowed, and goes elsewhere now";
    case Change::authentication:
      return "allowed, and credentials are treated otherwise now";
    case Change::filter:
      return "allowed, through another HTTP filter now; which of these it refuses is not compared";
    case Change::answer:
      return "not allowed, and answered otherwise now";
  }
  return {};
}

PolicyDiff compare_policies(const rules::RequestSpace& space) { return Comparison(space).run(); }

}  // namespace ocsproxy
