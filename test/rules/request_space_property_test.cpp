// The algebra against the oracle: the areas of a generated policy hold every request once, and what
// they say of it is what the oracle decides.
#include "policy_generator.h"
#include "policy_oracle.h"
#include "policy_text.h"
#include "rules/region.h"

namespace ocsproxy::rules {
namespace {

#ifdef OCSPROXY_SANITIZED
constexpr int kPolicies = 150;
#else
constexpr int kPolicies = 1'500;
#endif
constexpr int kRequests = 30;  // of each policy

struct SavedArea {
  Box box;
  std::vector<Decision> decisions;
};

std::vector<SavedArea> areas_of(const RequestSpace& space) {
  std::vector<SavedArea> result;
  space.for_each_area([&](const Area& area) {
    result.push_back({{area.group, {area.pair}, {area.method}, {area.atoms}},
                      possible_decisions(area.matches[0])});
  });
  return result;
}

std::vector<std::string> texts(const std::vector<Decision>& decisions) {
  std::vector<std::string> result;
  for (const Decision& decision : decisions) result.push_back(to_text(decision));
  return result;
}

Asked to_asked(const Witness& request) {
  return {request.listener == "intranet" ? 1U : 0U, request.client, request.method, request.name,
          request.path};
}

TEST(RequestSpaceProperty, EveryRequestIsInOneAreaThatKnowsItsDecision) {
  Generator generate(2006);
  const std::vector<IpAddress> own = own_addresses();
  int judged = 0, in_doubt = 0;
  for (int i = 0; i < kPolicies; ++i) {
    const std::vector<std::string> rules = generate.policy();
    const settings::Settings settings = make_settings(rules);
    Findings findings;
    const auto table = RuleTable::compile(settings, own, findings);
    const RequestSpace space({{&settings, table.get()}});
    const std::vector<SavedArea> areas = areas_of(space);
    for (int k = 0; k < kRequests; ++k) {
      const std::string text = generate.request();
      const Asked asked = parse_request(text);
      if (!is_canonical(asked.path)) continue;
      const Witness request{asked.listener == 0 ? "web" : "intranet", asked.client, asked.name,
                            asked.path, asked.method};
      const auto holds = [&](const SavedArea& area) { return contains(space, area.box, request); };
      const bool served = oracle_serves(settings, own, asked.listener, asked.client);
      ASSERT_EQ(std::ranges::count_if(areas, holds), served ? 1 : 0) << text << print(rules);
      if (!served) continue;
      const SavedArea& area = *std::ranges::find_if(areas, holds);
      ASSERT_THAT(texts(area.decisions),
                  testing::Contains(to_text(oracle_decide(settings, own, asked))))
          << text << print(rules);
      ++judged;
      in_doubt += area.decisions.size() == 1 ? 0 : 1;
    }
  }
  EXPECT_GT(judged, kPolicies * kRequests / 5);
  EXPECT_GT(in_doubt, judged / 50);
  EXPECT_LT(in_doubt, judged / 2);
}

TEST(RequestSpaceProperty, TheWitnessOfAnAreaIsInItAndIsDecidedAsTheAreaSays) {
  Generator generate(2009);
  const std::vector<IpAddress> own = own_addresses();
  int seen = 0;
  for (int i = 0; i < kPolicies / 10; ++i) {
    const std::vector<std::string> rules = generate.policy();
    const settings::Settings settings = make_settings(rules);
    Findings findings;
    const auto table = RuleTable::compile(settings, own, findings);
    const RequestSpace space({{&settings, table.get()}});
    space.for_each_area([&](const Area& area) {
      const Witness witness = witness_of(space, area);
      const Box box{area.group, {area.pair}, {area.method}, {area.atoms}};
      ASSERT_TRUE(is_canonical(witness.path)) << witness.to_string();
      ASSERT_TRUE(contains(space, box, witness)) << witness.to_string() << print(rules);
      const auto decision = decide(space, 0, witness);
      ASSERT_TRUE(decision) << witness.to_string() << print(rules);
      ASSERT_THAT(texts(possible_decisions(area.matches[0])), testing::Contains(to_text(*decision)))
          << witness.to_string() << print(rules);
      ASSERT_EQ(to_text(*decision), to_text(oracle_decide(settings, own, to_asked(witness))))
          << witness.to_string() << print(rules);
      ++seen;
    });
  }
  EXPECT_GT(seen, kPolicies);
}

}  // namespace
}  // namespace ocsproxy::rules
