// Exposure against the oracle: what it shows is allowed, and what it does not show is denied.
#include <algorithm>

#include "check/exposure.h"
#include "policy_generator.h"
#include "policy_oracle.h"
#include "policy_text.h"

namespace ocsproxy {
namespace {

#ifdef OCSPROXY_SANITIZED
constexpr int kPolicies = 20;
#else
constexpr int kPolicies = 300;
#endif
constexpr int kRequests = 200;  // of each policy

struct Policy {
  explicit Policy(const std::vector<std::string>& lines)
      : settings(rules::make_settings(lines)),
        table(rules::RuleTable::compile(settings, own, findings)),
        space({{&settings, table.get()}}) {}

  rules::Decision decide(const rules::Asked& asked) const {
    if (!rules::oracle_serves(settings, own, asked.listener, asked.client)) return {};
    return rules::oracle_decide(settings, own, asked);
  }

  const std::vector<IpAddress> own = rules::own_addresses();
  const settings::Settings settings;
  Findings findings;
  const std::shared_ptr<const rules::RuleTable> table;
  const rules::RequestSpace space;
};

std::uint32_t number_of(std::string_view listener) { return listener == "web" ? 0 : 1; }

bool shows(const rules::RequestSpace& space, const Exposed& row, const rules::Witness& request) {
  return std::ranges::any_of(
      row.boxes, [&](const rules::Box& box) { return rules::contains(space, box, request); });
}

TEST(ExposureProperty, EachExampleIsAllowedByItsRuleFromItsNetworkAndIsAmongWhatItIsAnExampleOf) {
  rules::Generator generate(2006);
  int examples = 0, rows = 0;
  for (int i = 0; i < kPolicies; ++i) {
    const std::vector<std::string> lines = generate.policy();
    const Policy policy(lines);
    for (const NetworkExposure& network : examine_exposure(policy.space)) {
      for (const Exposed& row : network.exposed) {
        ++rows;
        ASSERT_TRUE(row.example || !row.is_certain()) << rules::print(lines);
        if (!row.example) continue;
        ++examples;
        const rules::Witness& example = *row.example;
        const std::string context = example.to_string() + rules::print(lines);
        const rules::Decision decision =
            policy.decide({number_of(example.listener), example.client, example.method,
                           example.name, example.path});
        ASSERT_EQ(decision.verdict, rules::Verdict::allow) << context;
        ASSERT_EQ(decision.rule, row.rule) << context;
        ASSERT_EQ(rules::oracle_network(policy.settings, policy.own, example.client),
                  network.network)
            << context;
        ASSERT_EQ(example.listener, row.listener) << context;
        ASSERT_TRUE(shows(policy.space, row, example)) << context;
      }
    }
  }
  EXPECT_GT(examples, kPolicies);
  EXPECT_GT(examples, rows / 2);
}

TEST(ExposureProperty, ARequestIsAllowedIfACertainRowHasItAndDeniedIfNoneHas) {
  rules::Generator generate(2007);
  int allowed = 0, denied = 0, doubtful = 0;
  for (int i = 0; i < kPolicies; ++i) {
    const std::vector<std::string> lines = generate.policy();
    const Policy policy(lines);
    const auto networks = examine_exposure(policy.space);
    for (int k = 0; k < kRequests; ++k) {
      const rules::Asked asked = rules::parse_request(generate.request());
      if (!rules::is_canonical(asked.path)) continue;
      const rules::Witness request{asked.listener == 0 ? "web" : "intranet", asked.client,
                                   asked.name, asked.path, asked.method};
      const rules::Decision decision = policy.decide(asked);
      const bool is_allowed = decision.verdict == rules::Verdict::allow;
      bool certain = false, named = false, by_its_rule = false;
      for (const NetworkExposure& network : networks) {
        for (const Exposed& row : network.exposed) {
          if (!shows(policy.space, row, request)) continue;
          named = true;
          certain = certain || row.is_certain();
          by_its_rule = by_its_rule || row.rule == decision.rule;
        }
      }
      const std::string context = request.to_string() + rules::print(lines);
      if (certain) {
        ASSERT_TRUE(is_allowed) << context;
      }
      if (is_allowed) {
        ASSERT_TRUE(named && by_its_rule) << context;
      }
      ++(certain ? allowed : named ? doubtful : denied);
    }
  }
  EXPECT_GT(allowed, kPolicies);
  EXPECT_GT(denied, kPolicies);
  EXPECT_GT(doubtful, 0);
}

}  // namespace
}  // namespace ocsproxy
