#include "check/rule_coverage.h"

#include <algorithm>
#include <string>
#include <utility>

namespace ocsproxy {
namespace {

using rules::Area;
using rules::Decision;
using rules::Match;

std::uint32_t rule_of(const Match& match) { return rules::to_decision(match.entry).rule; }

class Examination {
 public:
  explicit Examination(const rules::RequestSpace& space)
      : space_(space),
        rules_(space.policies()[0].settings->rules.size()),
        decided_areas_(rules_.size()),
        examples_(space.policies()[0].table->compiled()) {}

  PolicyCoverage run() {
    space_.for_each_area([this](const Area& area) { add(area); });
    PolicyCoverage result;
    for (std::uint32_t rule = 0; rule < rules::size32(rules_); ++rule) settle(rule);
    for (RuleCoverage& rule : rules_) {
      if (rule.state != RuleCoverage::State::covered) rule.by.clear();
    }
    result.parts = parts();
    result.rules = std::move(rules_);
    return result;
  }

 private:
  struct Overlap {
    std::size_t areas = 0;
    rules::Witness witness;
  };

  const settings::Rule& setting(std::uint32_t rule) const {
    return space_.policies()[0].settings->rules[rule];
  }

  void add(const Area& area) {
    const rules::Matches& matches = area.matches[0];
    const std::vector<Decision> decisions = rules::possible_decisions(matches);
    std::uint32_t last = rules::kNoRule;
    for (const Match& match : matches.as_sent) {
      const std::uint32_t rule = rule_of(match);
      if (rule != last) add_rule(area, rule, decisions);
      last = rule;
    }
    if (decisions.size() == 1 && !area.pair.has_parameters()) {
      add_overlaps(area, decisions.front().rule);
    }
  }

  void add_rule(const Area& area, std::uint32_t number, const std::vector<Decision>& decisions) {
    RuleCoverage& rule = rules_[number];
    if (rule.witness) return;
    const bool can_win = std::any_of(decisions.begin(), decisions.end(),
                                     [&](const Decision& one) { return one.rule == number; });
    if (!can_win) {
      if (rule.state == RuleCoverage::State::disabled) rule.state = RuleCoverage::State::covered;
      for (const Decision& decision : decisions) rule.by.insert(decision.rule);
      return;
    }
    rule.witness = find_witness(area, number, decisions);
    rule.state = rule.witness ? RuleCoverage::State::matches : RuleCoverage::State::undecided;
  }

  // A request of the area that the rule decides.
  std::optional<rules::Witness> find_witness(const Area& area, std::uint32_t number,
                                             const std::vector<Decision>& decisions) {
    rules::Witness witness = rules::witness_of(space_, area);
    for (const Decision& decision : decisions) {
      if (decision.rule == number &&
          rules::find_decided(space_, area, decision, examples_, witness)) {
        return witness;
      }
    }
    return std::nullopt;
  }

  bool allows(std::uint32_t rule) const { return *setting(rule).action == settings::Action::allow; }

  void add_overlaps(const Area& area, std::uint32_t winner) {
    if (winner == rules::kNoRule) return;
    ++decided_areas_[winner];
    std::uint32_t last = winner;
    for (const Match& match : area.matches[0].as_sent) {
      const std::uint32_t rule = rule_of(match);
      if (rule == last || !match.is_certain() || allows(rule) == allows(winner)) continue;
      last = rule;
      Overlap& overlap = overlaps_[{winner, rule}];
      rules::keep_plainer(space_, area, overlap.areas++ == 0, overlap.witness);
    }
  }

  std::vector<PartCover> parts() const {
    std::vector<PartCover> result;
    for (const auto& [pair, overlap] : overlaps_) {
      const auto& [winner, rule] = pair;
      const bool exception = overlap.areas == decided_areas_[winner];
      if (exception || rules_[rule].state != RuleCoverage::State::matches) continue;
      if (result.empty() || result.back().rule != winner) {
        result.push_back({winner, {}, overlap.witness});
      }
      result.back().over.insert(rule);
    }
    return result;
  }

  // Why a rule that no area has is in none.
  void settle(std::uint32_t number) {
    RuleCoverage& rule = rules_[number];
    if (rule.state != RuleCoverage::State::disabled || !setting(number).enabled) return;
    const rules::CompiledPolicy& table = space_.policies()[0].table->compiled();
    rule.state = RuleCoverage::State::no_requests;
    const auto record =
        std::find_if(table.records.begin(), table.records.end(), [&](const rules::Record& one) {
          return rules::to_decision(one.choice.entry).rule == number;
        });
    if (record == table.records.end()) return;
    const auto clients = table.sets.ranges(record->choice.set);
    if (clients.empty()) {
      rule.state = RuleCoverage::State::no_clients;
    } else if (!is_served(number, clients)) {
      rule.state = RuleCoverage::State::not_served;
    }
  }

  bool is_served(std::uint32_t number, std::span<const rules::AtomRange> clients) const {
    const rules::CompiledPolicy& table = space_.policies()[0].table->compiled();
    const auto& listeners = space_.policies()[0].settings->listeners;
    const std::string& own = *setting(number).listener;
    for (std::uint32_t i = 0; i < rules::size32(listeners); ++i) {
      if (!own.empty() && *listeners[i].name != own) continue;
      for (const rules::AtomRange& served : table.sets.ranges(table.served_set[i])) {
        for (const rules::AtomRange& range : clients) {
          if (range.first <= served.last && served.first <= range.last) return true;
        }
      }
    }
    return false;
  }

  const rules::RequestSpace& space_;
  std::vector<RuleCoverage> rules_;
  std::vector<std::size_t> decided_areas_;                               // by rule
  std::map<std::pair<std::uint32_t, std::uint32_t>, Overlap> overlaps_;  // by winner and loser
  rules::RegexExamples examples_;
};

}  // namespace

PolicyCoverage examine_coverage(const rules::RequestSpace& space) {
  return Examination(space).run();
}

}  // namespace ocsproxy
