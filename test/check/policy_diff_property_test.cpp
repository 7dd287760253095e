// Differences against the oracle: inside a region two policies answer differently, outside them
// they do not.
#include <algorithm>

#include "base/text.h"
#include "check/policy_diff.h"
#include "policy_generator.h"
#include "policy_oracle.h"
#include "policy_text.h"

namespace ocsproxy {
namespace {

#ifdef OCSPROXY_SANITIZED
constexpr int kPairs = 100;
#else
constexpr int kPairs = 1'500;
#endif
constexpr int kRequests = 60;  // of each pair

struct Side {
  explicit Side(const std::vector<std::string>& lines) : settings(rules::make_settings(lines)) {
    for (settings::Rule& rule : settings.rules) {
      if (*rule.action != settings::Action::allow) continue;
      rule.to.emplace().site.value = "site.local";
    }
    for (settings::Listener& listener : settings.listeners) listener.https.emplace();
    table = rules::RuleTable::compile(settings, own, findings);
  }

  // What a client of the policy notices, once more: slow and obvious.
  std::string answer(const rules::Asked& asked) const {
    if (!rules::oracle_serves(settings, own, asked.listener, asked.client)) return "denied";
    const rules::Decision decision = rules::oracle_decide(settings, own, asked);
    if (decision.verdict == rules::Verdict::deny) return "denied";
    if (decision.verdict == rules::Verdict::redirect) return "redirected";
    const settings::Path& path = settings.rules[decision.rule].paths[decision.path];
    if (path.kind == settings::Path::Kind::regex || path.internal == path.external) {
      return "allowed " + lower(asked.path);
    }
    return "allowed " + lower(path.internal + asked.path.substr(path.external.size()));
  }

  const std::vector<IpAddress> own = rules::own_addresses();
  settings::Settings settings;
  Findings findings;
  std::shared_ptr<const rules::RuleTable> table;
};

rules::Asked to_asked(const rules::Witness& request) {
  return {request.listener == "web" ? 0U : 1U, request.client, request.method, request.name,
          request.path};
}

// A request at random, or a difference's witness with one field of it: random ones alone meet too
// few differences.
rules::Asked draw(rules::Generator& generate, const PolicyDiff& diff) {
  const rules::Asked drawn = rules::parse_request(generate.request());
  if (diff.differences.empty() || generate.one_in(2)) return drawn;
  rules::Asked asked = to_asked(generate.pick(diff.differences).witness);
  if (generate.one_in(4))
    asked.listener = drawn.listener;
  else if (generate.one_in(3))
    asked.client = drawn.client;
  else if (generate.one_in(2))
    asked.name = drawn.name;
  else
    asked.path = drawn.path;
  return asked;
}

TEST(PolicyDiffProperty, InsideARegionAnswersDifferAndOutsideTheyDoNot) {
  rules::Generator generate(404);
  int inside = 0, outside = 0, regions = 0, undecided = 0, equal = 0;
  for (int i = 0; i < kPairs; ++i) {
    const std::vector<std::string> lines = generate.policy();
    const std::vector<std::string> edited = generate.edited(lines);
    const Side before(lines), now(edited);
    const rules::RequestSpace space(
        {{&before.settings, before.table.get()}, {&now.settings, now.table.get()}});
    const PolicyDiff diff = compare_policies(space);
    const std::string context = rules::print(lines) + "\nand" + rules::print(edited);
    equal += diff.empty() ? 1 : 0;
    for (const Difference& one : diff.differences) {
      const rules::Asked asked = to_asked(one.witness);
      ASSERT_NE(before.answer(asked), now.answer(asked)) << one.witness.to_string() << context;
      ASSERT_EQ(one.change == Change::opened, now.answer(asked).starts_with("allowed") &&
                                                  !before.answer(asked).starts_with("allowed"));
      ++regions;
    }
    for (int k = 0; k < kRequests; ++k) {
      const rules::Asked asked = draw(generate, diff);
      if (!rules::is_canonical(asked.path)) continue;
      const rules::Witness request{asked.listener == 0 ? "web" : "intranet", asked.client,
                                   asked.name, asked.path, asked.method};
      const auto is_in = [&](const auto& one) {
        return std::ranges::any_of(
            one.boxes, [&](const rules::Box& box) { return contains(space, box, request); });
      };
      const bool differs = before.answer(asked) != now.answer(asked);
      const auto region = std::ranges::find_if(diff.differences, is_in);
      if (std::ranges::any_of(diff.undecided, is_in) ||
          (region != diff.differences.end() && region->partly)) {
        ++undecided;
        continue;
      }
      ASSERT_EQ(region != diff.differences.end(), differs) << request.to_string() << context;
      ++(differs ? inside : outside);
    }
  }
  EXPECT_GT(regions, kPairs / 2);
  EXPECT_GT(inside, kPairs / 2);
  EXPECT_GT(outside, inside);
  EXPECT_GT(undecided, 0);
  EXPECT_LT(undecided, outside / 10);
  EXPECT_GT(equal, kPairs / 20);
}

}  // namespace
}  // namespace ocsproxy
