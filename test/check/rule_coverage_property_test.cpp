// Coverage against the oracle: a rule that is said to be dead wins nothing around its borders, and
// the witness of any other is decided by it.
#include <algorithm>

#include "base/text.h"
#include "check/rule_coverage.h"
#include "policy_generator.h"
#include "policy_oracle.h"
#include "policy_text.h"

namespace ocsproxy {
namespace {

using State = RuleCoverage::State;

#ifdef OCSPROXY_SANITIZED
constexpr int kPolicies = 10;
#else
constexpr int kPolicies = 100;
#endif
constexpr int kRequests = 10'000;  // of each dead rule

// Requests that a rule just matches, or just does not.
class Borders {
 public:
  Borders(const settings::Rule& rule, unsigned seed) : random_(seed) {
    for (const auto& name : rule.public_names) add_name(*name);
    for (const auto& path : rule.paths) add_path(path);
    for (const auto* sources : {&rule.from, &rule.except_from}) {
      for (const auto& source : *sources) add_source(source);
    }
    for (const auto& method : rule.methods) methods_.push_back(*method);
  }

  rules::Asked request() {
    return {static_cast<std::uint32_t>(random_() % 2), pick(clients_), pick(methods_), pick(names_),
            pick(paths_)};
  }

 private:
  template <typename T>
  const T& pick(const std::vector<T>& things) {
    return things[random_() % things.size()];
  }

  void add_name(const std::string& name) {
    if (name == "*") return;
    const bool wildcard = name.starts_with("*.");
    const std::string plain = wildcard ? name.substr(2) : name;
    for (const std::string& near : {plain, "x." + plain, "y.x." + plain, 'x' + plain}) {
      names_.push_back(near);
    }
  }

  void add_path(const settings::Path& path) {
    std::string plain = path.external;
    if (path.kind == settings::Path::Kind::regex) {
      plain.erase(std::remove_if(plain.begin(), plain.end(),
                                 [](char c) { return c != '/' && !is_alpha(c) && c != ';'; }),
                  plain.end());
    }
    if (plain.ends_with('/')) plain.pop_back();
    for (const std::string& near :
         {plain, plain + '/', plain + "/x", plain + "/a/b", plain + ";x", plain + "/;x/b",
          "/;x" + plain, plain + 'x', plain.substr(0, plain.rfind('/')) + "/x"}) {
      if (rules::is_canonical(near)) paths_.push_back(near);
    }
  }

  void add_source(const settings::Source& source) {
    if (!source.range) return;
    const auto& [first, last] = *source.range;
    for (const auto& near :
         {std::optional(first), std::optional(last), first.previous(), last.next()}) {
      if (near) clients_.push_back(*near);
    }
  }

  std::mt19937 random_;
  std::vector<std::string> names_{"", "other.test", "a.test", "b.a.test", "192.0.2.1"};
  std::vector<std::string> paths_{"/", "/a", "/a/b", "/x"};
  std::vector<std::string> methods_{"GET", "PUT"};
  std::vector<IpAddress> clients_{
      IpAddress::parse("198.51.100.7").value(), IpAddress::parse("203.0.113.1").value(),
      IpAddress::parse("10.0.0.1").value(),     IpAddress::parse("10.0.0.7").value(),
      IpAddress::parse("172.16.0.1").value(),   IpAddress::parse("127.0.0.1").value(),
      IpAddress::parse("fd00::1").value(),      IpAddress::parse("2001:db8:1::5").value()};
};

struct Policy {
  explicit Policy(const std::vector<std::string>& lines)
      : settings(rules::make_settings(lines)),
        table(rules::RuleTable::compile(settings, own, findings)),
        space({{&settings, table.get()}}) {}

  std::uint32_t winner(const rules::Asked& asked) const {
    if (!rules::oracle_serves(settings, own, asked.listener, asked.client)) return rules::kNoRule;
    return rules::oracle_decide(settings, own, asked).rule;
  }

  const std::vector<IpAddress> own = rules::own_addresses();
  const settings::Settings settings;
  Findings findings;
  const std::shared_ptr<const rules::RuleTable> table;
  const rules::RequestSpace space;
};

TEST(RuleCoverageProperty, ADeadRuleNeverWinsAndAnotherHasARequestThatItWins) {
  rules::Generator generate(31);
  int dead = 0, alive = 0, without_witness = 0;
  for (int i = 0; i < kPolicies; ++i) {
    const std::vector<std::string> lines = generate.policy();
    const Policy policy(lines);
    const PolicyCoverage coverage = examine_coverage(policy.space);
    for (std::uint32_t rule = 0; rule < coverage.rules.size(); ++rule) {
      const RuleCoverage& one = coverage.rules[rule];
      const std::string context = "rule " + std::to_string(rule) + rules::print(lines);
      if (one.witness) {
        const rules::Witness& witness = *one.witness;
        ++alive;
        ASSERT_EQ(one.state, State::matches);
        ASSERT_EQ(policy.winner({witness.listener == "web" ? 0U : 1U, witness.client,
                                 witness.method, witness.name, witness.path}),
                  rule)
            << witness.to_string() << context;
        continue;
      }
      ASSERT_NE(one.state, State::matches) << context;
      if (one.state == State::undecided) {
        ++without_witness;
        continue;
      }
      ++dead;
      if (one.state == State::covered) {
        ASSERT_FALSE(one.by.empty() || one.by.contains(rule)) << context;
      }
      Borders borders(policy.settings.rules[rule], rule);
      for (int k = 0; k < kRequests; ++k) {
        const rules::Asked asked = borders.request();
        ASSERT_NE(policy.winner(asked), rule) << asked.method << ' ' << asked.name << asked.path
                                              << ' ' << asked.client.to_string() << context;
      }
    }
  }
  EXPECT_GT(dead, kPolicies / 4);
  EXPECT_GT(alive, kPolicies);
  EXPECT_LT(without_witness, alive / 10);
}

TEST(RuleCoverageProperty, TheRulesThatCoverARuleDoSoWithoutAnyOther) {
  rules::Generator generate(32);
  int covered = 0;
  for (int i = 0; i < kPolicies; ++i) {
    const std::vector<std::string> lines = generate.policy();
    const Policy policy(lines);
    const PolicyCoverage coverage = examine_coverage(policy.space);
    for (std::uint32_t rule = 0; rule < coverage.rules.size(); ++rule) {
      const RuleCoverage& one = coverage.rules[rule];
      if (one.state != State::covered || one.by.contains(rules::kNoRule)) continue;
      std::vector<std::string> fewer = lines;
      for (std::uint32_t other = 0; other < rule; ++other) {
        if (!one.by.contains(other)) fewer[other] = "disabled " + fewer[other];
      }
      const Policy with_these(fewer);
      EXPECT_EQ(examine_coverage(with_these.space).rules[rule].state, State::covered)
          << "rule " << rule << rules::print(lines);
      ++covered;
    }
  }
  EXPECT_GT(covered, kPolicies / 10);
}

}  // namespace
}  // namespace ocsproxy
