// Counts by rule, over reloads.
#include "proxy/rule_counts.h"

#include <gtest/gtest.h>

namespace ocsproxy {
namespace {

settings::Settings with_rules(std::initializer_list<const char*> names) {
  settings::Settings settings;
  for (const char* const name : names) settings.rules.emplace_back().name = {name, {}};
  return settings;
}

TEST(RuleCounts, are_summed_over_the_workers) {
  RuleCounts counts(with_rules({"a", "b"}), 2, nullptr);
  counts.of(0)[1].add(3);
  counts.of(1)[1].add(4);
  EXPECT_EQ(counts.total(0), 0U);
  EXPECT_EQ(counts.total(1), 7U);
}

TEST(RuleCounts, go_on_for_rules_that_stay_wherever_they_now_stand) {
  const auto before = with_rules({"gone", "stays", "moves"});
  RuleCounts old(before, 2, nullptr);
  for (std::size_t rule = 0; rule < 3; ++rule) {
    old.of(0)[rule].add(10 + rule);
    old.of(1)[rule].add(100);
  }
  RuleCounts now(with_rules({"moves", "stays", "new"}), 2, &before);
  now.continue_from(old, 0);
  EXPECT_EQ(now.total(0), 12U) << "the other worker has not switched yet";
  now.continue_from(old, 1);
  now.of(1)[0].add();
  EXPECT_EQ(now.total(0), 113U);
  EXPECT_EQ(now.total(1), 111U);
  EXPECT_EQ(now.total(2), 0U);
}

}  // namespace
}  // namespace ocsproxy
