// The rule table against the oracle, over generated policies and requests. The alphabets are small,
// so that rules collide: most requests match several rules, and which one wins is the question.
#include "policy_generator.h"
#include "policy_oracle.h"
#include "policy_text.h"

namespace ocsproxy::rules {
namespace {

#ifdef OCSPROXY_SANITIZED
constexpr int kPolicies = 2'500;
#else
constexpr int kPolicies = 25'000;
#endif
constexpr int kRequests = 50;  // of each policy

#ifdef OCSPROXY_SANITIZED
constexpr int kTracedPolicies = 500;
#else
constexpr int kTracedPolicies = 5'000;
#endif

TEST(RuleTableProperty, DecidesAsTheOracle) {
  Generator generate(12202);
  int judged = 0, allowed = 0, without_rule = 0;
  const std::vector<IpAddress> own = own_addresses();
  for (int i = 0; i < kPolicies; ++i) {
    const std::vector<std::string> rules = generate.policy();
    const settings::Settings settings = make_settings(rules);
    Findings findings;
    const auto table = RuleTable::compile(settings, own, findings);
    for (int k = 0; k < kRequests; ++k) {
      const std::string text = generate.request();
      const Asked asked = parse_request(text);
      // What canonicalize refuses never comes to the rules ("a%20" at the end of a segment).
      if (!is_canonical(asked.path)) continue;
      Request request{asked.listener, table->locate(asked.client), asked.name, asked.path,
                      asked.method};
      const Decision decision = table->decide(request);
      const Decision expected = oracle_decide(settings, own, asked);
      ASSERT_EQ(to_text(decision), to_text(expected)) << text << print(rules);
      ASSERT_EQ(table->network_name(request.client), oracle_network(settings, own, asked.client));
      ASSERT_EQ(table->serves(asked.listener, request.client),
                oracle_serves(settings, own, asked.listener, asked.client));
      ++judged;
      allowed += decision.verdict == Verdict::allow ? 1 : 0;
      without_rule += decision.rule == kNoRule ? 1 : 0;
    }
  }
  EXPECT_GT(judged, kPolicies * kRequests / 2);
  EXPECT_GT(allowed, judged / 10);
  EXPECT_GT(without_rule, judged / 10);
  EXPECT_LT(without_rule, judged / 4 * 3);
  RecordProperty("judged", judged);
}

// For paths without ;parameters, which a decision judges in two forms.
TEST(RuleTableProperty, TracesEachRuleAsTheOracleAndTheFirstThatMatchesDecides) {
  Generator generate(12302);
  const std::vector<IpAddress> own = own_addresses();
  std::map<Condition, int> met;
  for (int i = 0; i < kTracedPolicies; ++i) {
    const std::vector<std::string> rules = generate.policy();
    const settings::Settings settings = make_settings(rules);
    Findings findings;
    const auto table = RuleTable::compile(settings, own, findings);
    for (int k = 0; k < kRequests / 5; ++k) {
      const std::string text = generate.request();
      const Asked asked = parse_request(text);
      if (!is_canonical(asked.path)) continue;
      const Request request{asked.listener, table->locate(asked.client), asked.name, asked.path,
                            asked.method};
      const std::vector<RuleTrace> traces = table->trace(request);
      const std::vector<RuleTrace> expected = oracle_trace(settings, own, asked);
      ASSERT_EQ(traces.size(), expected.size());
      for (std::size_t rule = 0; rule < traces.size(); ++rule) {
        ASSERT_EQ(traces[rule], expected[rule]) << text << " at rule " << rule << print(rules);
        ++met[traces[rule].failed];
      }
      if (asked.path.find(';') != std::string::npos) continue;
      const auto first = std::ranges::find(traces, Condition::none, &RuleTrace::failed);
      const Decision decision = table->decide(request);
      const bool none = first == traces.end();
      ASSERT_EQ(decision.rule, none ? kNoRule : static_cast<std::uint32_t>(first - traces.begin()))
          << text << print(rules);
      ASSERT_EQ(decision.path, none ? 0 : first->path) << text << print(rules);
    }
  }
  EXPECT_EQ(met.size(), 7U) << "each condition is the first to fail somewhere";
  for (const auto& [condition, count] : met) EXPECT_GT(count, 100);
}

}  // namespace
}  // namespace ocsproxy::rules
