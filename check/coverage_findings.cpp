#include "check/coverage_findings.h"

#include <string>
#include <string_view>
#include <vector>

#include "check/rule_coverage.h"
#include "settings/shown_text.h"

namespace ocsproxy {
namespace {

using settings::shown;
using State = RuleCoverage::State;

// More rules than these are counted, not named.
constexpr std::size_t kMostNamed = 3;

class Report {
 public:
  Report(const settings::Settings& settings, const Sources& sources, Findings& findings)
      : settings_(settings), sources_(sources), findings_(findings) {}

  void add(std::uint32_t number, const RuleCoverage& coverage) {
    const settings::Rule& rule = settings_.rules[number];
    const std::string name = "rule " + shown(*rule.name);
    switch (coverage.state) {
      case State::disabled:
      case State::not_served:
      case State::matches:
        return;
      case State::no_clients:
        findings_.warning("rule-without-clients", rule.name.where,
                          name + " is for nobody: its \"except_from\" takes all of its \"from\"",
                          "take less out, or remove the rule");
        return;
      case State::no_requests:
        findings_.warning("rule-never-matches", rule.name.where,
                          name + " can never match: no request has its names and paths",
                          "correct them, or remove the rule");
        return;
      case State::covered:
        findings_.warning("rule-never-matches", rule.name.where,
                          name + " can never match: " + covers_text(coverage.by),
                          "move it above, or remove it");
        return;
      case State::undecided:
        findings_.note("rule-undecided", rule.name.where,
                       "whether " + name +
                           " can match depends on regexes, its own or those before it, and no "
                           "request for it was found",
                       "try one; where a regex could be a directory, write \"/dir/*\"");
        return;
    }
  }

  void add(const PartCover& part) {
    const std::uint32_t first = *part.over.begin();
    const settings::Rule& rule = settings_.rules[first];
    std::string text = "rule " + shown(*rule.name) +
                       " does not decide all that it names: " + named(part.rule) +
                       " comes before it, for example for " + part.witness.to_string();
    if (part.over.size() > 1) {
      const std::size_t others = part.over.size() - 1;
      text += "; the same is true of " + std::to_string(others) +
              (others == 1 ? " later rule" : " later rules");
    }
    findings_.note("rule-partly-covered", rule.name.where, std::move(text),
                   "if it should decide there, move it above");
  }

 private:
  std::string named(std::uint32_t rule) const {
    const auto& name = settings_.rules[rule].name;
    return "rule " + shown(*name) + " (" + sources_.path(name.where.file) + ':' +
           std::to_string(name.where.line) + ')';
  }

  std::string covers_text(const std::set<std::uint32_t>& by) const {
    std::vector<std::string> names;
    for (const std::uint32_t rule : by) {
      if (rule != rules::kNoRule) names.push_back(named(rule));
    }
    if (by.contains(rules::kNoRule)) {
      names.emplace_back("the denial of its paths without their ;parameters");
    }
    if (names.size() == 1) return names.front() + " decides all of it";
    std::string text;
    const std::size_t shown_names = names.size() > kMostNamed + 1 ? kMostNamed : names.size();
    for (std::size_t i = 0; i < shown_names; ++i) {
      if (i != 0) text += i + 1 == names.size() ? " and " : ", ";
      text += names[i];
    }
    if (shown_names < names.size()) {
      text += " and " + std::to_string(names.size() - shown_names) + " more rules";
    }
    return text + " decide all of it together";
  }

  const settings::Settings& settings_;
  const Sources& sources_;
  Findings& findings_;
};

}  // namespace

void find_coverage(const settings::Settings& settings, const rules::RuleTable& table,
                   const Sources& sources, Findings& findings) {
  const PolicyCoverage coverage = examine_coverage(rules::RequestSpace({{&settings, &table}}));
  Report report(settings, sources, findings);
  for (std::uint32_t rule = 0; rule < rules::size32(coverage.rules); ++rule) {
    report.add(rule, coverage.rules[rule]);
  }
  for (const PartCover& part : coverage.parts) report.add(part);
}

}  // namespace ocsproxy
