// What the questions to a policy cost: coverage, and the difference of two that differ in ten
// rules. Ten rules a name, and one rule above all of them.
#include <benchmark/benchmark.h>

#include "check/policy_diff.h"
#include "check/rule_coverage.h"

namespace {

using namespace ocsproxy;

constexpr std::uint32_t kRulesOfAName = 10;

settings::Rule make_rule(std::uint32_t number) {
  settings::Rule rule;
  rule.name.value = "rule " + std::to_string(number);
  rule.listener.value = "web";
  rule.from.push_back({{}, "External", std::nullopt});
  rule.public_names.push_back(
      {"www" + std::to_string(number / kRulesOfAName) + ".contoso.com", {}});
  settings::Path path;
  path.external = path.internal = "/department/app" + std::to_string(number);
  rule.paths.push_back(path);
  rule.methods.push_back({"*", {}});
  rule.to.emplace().site.value = "pool.contoso.local";
  return rule;
}

settings::Rule closed_for_all() {
  settings::Rule rule;
  rule.name.value = "closed";
  rule.action.value = settings::Action::deny;
  settings::Path path;
  path.external = path.internal = "/abs/int";
  rule.paths.push_back(path);
  rule.methods.push_back({"*", {}});
  return rule;
}

struct Policy {
  // Every `changed`th rule goes elsewhere; 0: none.
  Policy(std::uint32_t rules, std::uint32_t changed) {
    settings::Listener& listener = settings.listeners.emplace_back();
    listener.name.value = "web";
    listener.networks.push_back({"External", {}});
    listener.https.emplace();
    settings.rules.push_back(closed_for_all());
    for (std::uint32_t i = 0; i < rules; ++i) {
      settings.rules.push_back(make_rule(i));
      if (changed != 0 && i % changed == 0) settings.rules.back().to->site.value = "other.local";
    }
    table = rules::RuleTable::compile(settings, {}, findings);
  }

  settings::Settings settings;
  Findings findings;
  std::shared_ptr<const rules::RuleTable> table;
};

void coverage(benchmark::State& state) {
  const Policy policy(static_cast<std::uint32_t>(state.range(0)), 0);
  for (auto _ : state) {
    const rules::RequestSpace space({{&policy.settings, policy.table.get()}});
    benchmark::DoNotOptimize(examine_coverage(space));
  }
}

void diff(benchmark::State& state) {
  const auto rules = static_cast<std::uint32_t>(state.range(0));
  const Policy before(rules, 0), now(rules, rules / 10);
  for (auto _ : state) {
    const rules::RequestSpace space(
        {{&before.settings, before.table.get()}, {&now.settings, now.table.get()}});
    const PolicyDiff found = compare_policies(space);
    if (found.differences.size() != 10) state.SkipWithError("not the ten rules that differ");
  }
}

BENCHMARK(coverage)->ArgName("rules")->Arg(1'000)->Arg(100'000)->Unit(benchmark::kMillisecond);
BENCHMARK(diff)->ArgName("rules")->Arg(1'000)->Arg(100'000)->Unit(benchmark::kMillisecond);

}  // namespace
