// The rule table against the oracle, over generated policies and requests. The alphabets are small,
// so that rules collide: most requests match several rules, and which one wins is the question.
#include <array>
#include <random>

#include "base/text.h"
#include "policy_oracle.h"
#include "policy_text.h"
#include "rules/canonical_target.h"

namespace ocsproxy::rules {
namespace {

#ifdef OCSPROXY_SANITIZED
constexpr int kPolicies = 2'500;
#else
constexpr int kPolicies = 25'000;
#endif
constexpr int kRequests = 50;  // of each policy

using Words = std::vector<std::string_view>;

const Words kNames = {"a.test",     "b.a.test", "c.b.a.test", "test",        "*.test",  "*.a.test",
                      "*.b.a.test", "*",        "192.0.2.1",  "2001:db8::5", "*.0.2.1", "xa.test"};
const Words kAskedNames = {"a.test",  "b.a.test",    "c.b.a.test", "test",
                           "xa.test", "d.test",      "192.0.2.1",  "2001:db8::5",
                           "-",       "a.test.test", "x.y.a.test"};
const Words kPaths = {
    "/*",     "/a/*",          "/A/b/*",       "/a/b/c/*",   "/a",    "/a/",       "/",
    "/b",     "/a/b",          "/a/B/",        "/a/*>/x/*",  "/a;p",  "/a;p/*",    "/b/*>/*",
    "~/a.*",  "~/a/b.*",       "~/A/[bc]",     "~/(a|b)/c?", "~.*/b", "~/a/b/?c*", "~/a;.*",
    "~.*b.*", "~/a/b\\.?c/d*", "~/b/.*|/a/.*", "/ab"};
const Words kSegments = {"a", "b", "c", "A", "B", "ab", "bc", "a;p", "b;q=1", ";p", "a%20", "b.c"};
const Words kSources = {"External",        "Internal",      "Perimeter",         "Local_Host",
                        "Anywhere",        "10.0.0.0/8",    "10.0.0.0-10.0.0.7", "198.51.100.7",
                        "198.51.100.0/24", "2001:db8::/32", "2001:db8:1::5",     "fd00::/8",
                        "0.0.0.0/0",       "::/0"};
const Words kMethods = {"GET", "POST", "get", "*"};
const Words kActions = {"allow",          "allow",         "allow",
                        "allow intranet", "deny",          "deny",
                        "deny web",       "redirect",      "redirect intranet",
                        "disabled deny",  "disabled allow"};
const Words kClients = {
    "198.51.100.6",  "198.51.100.7", "198.51.100.8", "198.51.101.0",
    "10.0.0.0",      "10.0.0.1",     "10.0.0.7",     "10.0.0.8",
    "172.16.0.1",    "203.0.113.1",  "127.0.0.1",    "255.255.255.255",
    "0.0.0.0",       "::",           "::1",          "2001:db8::5",
    "2001:db8:1::5", "2001:db9::",   "fd00::1",      "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"};

class Generator {
 public:
  explicit Generator(unsigned seed) : random_(seed) {}

  bool one_in(unsigned n) { return random_() % n == 0; }
  std::string_view pick(const Words& words) { return words[random_() % words.size()]; }

  std::string list(const Words& words, unsigned most) {
    std::string result(pick(words));
    for (auto more = random_() % most; more > 0; --more) result += ',' + std::string(pick(words));
    return result;
  }

  std::string source_list() {
    std::string result = list(kSources, 3);
    if (one_in(4)) result += ",198.51.100." + std::to_string(random_() % 16);
    return result;
  }

  std::string rule() {
    std::string text(pick(kActions));
    if (!one_in(3)) text += " from " + source_list();
    if (one_in(3)) text += " except " + source_list();
    if (!one_in(3)) text += " names " + list(kNames, 3);
    if (!one_in(4)) text += " paths " + list(kPaths, 3);
    if (one_in(3)) text += " methods " + list(kMethods, 2);
    return text;
  }

  // Many rules that differ in their addresses alone: the shape that is looked up and not scanned.
  std::string rule_of_one_address() {
    return (one_in(3) ? "deny web from 198.51.100." : "allow from 198.51.100.") +
           std::to_string(random_() % 64) + (one_in(2) ? " paths /a/*" : "");
  }

  std::vector<std::string> policy() {
    std::vector<std::string> rules;
    const bool wide = one_in(20);
    const auto count = wide ? 30 + random_() % 40 : 1 + random_() % 12;
    for (unsigned i = 0; i < count; ++i) {
      rules.push_back(wide && !one_in(10) ? rule_of_one_address() : rule());
    }
    return rules;
  }

  std::string request() {
    std::string text(pick({"GET", "GET", "POST", "get", "PUT"}));
    text += ' ' + std::string(pick(kAskedNames));
    const auto segments = random_() % 5;
    for (unsigned i = 0; i < segments; ++i) text += '/' + std::string(pick(kSegments));
    if (segments == 0 || one_in(3)) text += '/';
    text += ' ';
    text +=
        one_in(3) ? "198.51.100." + std::to_string(random_() % 64) : std::string(pick(kClients));
    return text + (one_in(3) ? " intranet" : " web");
  }

 private:
  std::mt19937 random_;
};

bool is_canonical(const std::string& path) {
  std::array<char, 512> buffer{};
  CanonicalTarget target;
  return canonicalize(path, true, buffer, target) == TargetError::none && target.path == path;
}

std::string print(const std::vector<std::string>& rules) {
  std::string text;
  for (std::size_t i = 0; i < rules.size(); ++i) {
    text += "\n  " + std::to_string(i) + ": " + rules[i];
  }
  return text;
}

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

}  // namespace
}  // namespace ocsproxy::rules
