#include "rules/expectations.h"

#include "policy_text.h"

namespace ocsproxy::rules {
namespace {

using settings::Example;

// Two rules, at https://www.test/ and below a mapping.
settings::Settings subject() {
  settings::Settings settings =
      make_settings({"deny web paths /abs/int/*", "allow web from External names www.test",
                     "allow web from Perimeter names dmz.test paths /book/*>/abs/ext/*"});
  for (std::uint32_t i = 0; i < settings.rules.size(); ++i) {
    settings::Rule& rule = settings.rules[i];
    rule.name.value = "R" + std::to_string(i);
    if (*rule.action == settings::Action::allow) rule.to.emplace().site.value = "pool.local";
  }
  settings.listeners[0].https.emplace();
  settings.listeners[0].http.emplace().redirect_to_https = true;
  return settings;
}

std::vector<std::string> proven(const settings::Settings& settings) {
  Findings findings;
  const auto table = RuleTable::compile(settings, own_addresses(), findings);
  prove_expectations(settings, *table, findings);
  std::vector<std::string> result;
  for (const Finding& finding : findings.all()) {
    result.push_back(std::string(finding.code) + ": " + finding.text);
  }
  return result;
}

struct Row {
  const char* method;
  bool https;
  const char* name;
  const char* target;
  const char* from;
  std::optional<Example::Verdict> verdict;
  const char* rule;
  const char* finding;  // "": it holds
};

TEST(Expectations, AnExampleHoldsWhenThatRuleDecidesItThatWay) {
  using enum Example::Verdict;
  const std::vector<Row> table = {
      {"GET", true, "www.test", "/abs/ext/x?y", "198.51.100.7", allow, "R1", ""},
      {"GET", true, "www.test:8443", "/abs/ext", "198.51.100.7", allow, "", ""},
      {"GET", true, "www.test", "/ABS/Int/x", "198.51.100.7", deny, "R0", ""},
      {"GET", true, "www.test", "/", "10.0.0.7", deny, "", ""},
      {"GET", false, "www.test", "/", "198.51.100.7", redirect, "", ""},
      {"HEAD", false, "www.test", "/", "198.51.100.7", redirect, "", ""},
      {"POST", false, "www.test", "/", "198.51.100.7", deny, "", ""},
      {"POST", false, "www.test", "/", "198.51.100.7", redirect, "",
       "expectation-violated: \"as written\" from 198.51.100.7 is denied: listener \"web\" sends "
       "plain HTTP to https, but only GET and HEAD for a name that is published"},
      {"GET", false, "other.test", "/", "198.51.100.7", deny, "", ""},
      {"GET", false, "www.test", "/", "10.0.0.7", deny, "", ""},
      {"GET", true, "www.test", "/ABS/%69nt/x", "198.51.100.7", allow, "",
       "expectation-violated: \"as written\" from 198.51.100.7 is denied: rule \"R0\" decides it"},
      {"GET", true, "www.test", "/", "198.51.100.7", std::nullopt, "R0",
       "expectation-violated: \"as written\" from 198.51.100.7 is allowed: rule \"R1\" decides it"},
      {"GET", true, "www.test", "/", "10.0.0.7", allow, "",
       "expectation-violated: \"as written\" from 10.0.0.7 is denied: listener \"web\" does not "
       "serve that client"},
      {"GET", true, "other.test", "/", "198.51.100.7", allow, "",
       "expectation-violated: \"as written\" from 198.51.100.7 is denied: no rule matches it"},
      {"GET", true, "www.test", "/a%2Fb", "198.51.100.7", deny, "",
       "bad-expectation: such a request is refused before the rules are asked: it has an encoded "
       "slash or backslash in the path"},
      {"GET", true, "w*w.test", "/", "198.51.100.7", deny, "",
       "bad-expectation: \"w*w.test\" can be the name of no request"},
  };
  for (const Row& row : table) {
    settings::Settings settings = subject();
    Example& example = settings.examples.emplace_back();
    example.request.value = "as written";
    example.method = row.method;
    example.https = row.https;
    example.authority = row.name;
    example.target = row.target;
    example.from.value = IpAddress::parse(row.from).value();
    example.rule.value = row.rule;
    if (row.verdict) example.verdict = Located<Example::Verdict>{*row.verdict, {}};
    const std::vector<std::string> findings = proven(settings);
    EXPECT_EQ(findings.empty() ? "" : findings.front(), row.finding) << row.name << row.target;
  }
}

std::vector<std::string> claimed(bool always, const std::string& from, const std::string& path,
                                 const std::vector<std::string>& more = {}) {
  settings::Settings settings = subject();
  for (const std::string& rule : more) {
    settings.rules.insert(settings.rules.begin(), parse_rule(rule));
    settings.rules.front().name.value = "First";
  }
  for (settings::Rule& rule : settings.rules) {
    if (*rule.action == settings::Action::allow && !rule.to)
      rule.to.emplace().site.value = "pool.local";
  }
  const settings::Rule parts = parse_rule("allow from " + from + " paths " + path);
  settings::Reach& reach = settings.reaches.emplace_back();
  reach.always = always;
  reach.from = parts.from;
  reach.site_path.value = "pool.local" + path;
  reach.site = "pool.local";
  reach.path = parts.paths[0];
  return proven(settings);
}

TEST(Expectations, WhatIsNeverReachedIsProvenThroughMappings) {
  EXPECT_THAT(claimed(false, "External", "/ABS/Int/*"), testing::IsEmpty());
  EXPECT_THAT(claimed(false, "Anywhere", "/abs/int/*"), testing::IsEmpty());
  EXPECT_THAT(claimed(false, "Perimeter", "/abs/*"),
              testing::ElementsAre("expectation-violated: \"pool.local/abs/*\" is reached by GET "
                                   "https://dmz.test/book from 172.16.0.1: rule \"R2\" allows it"));
  EXPECT_THAT(
      claimed(false, "External", "/abs/ext/*"),
      testing::ElementsAre("expectation-violated: \"pool.local/abs/ext/*\" is reached by GET "
                           "https://www.test/abs/ext from 198.51.100.9: rule \"R1\" allows it"));
}

// A site that takes ;parameters out would get to it, so that counts as reaching.
TEST(Expectations, AWayWithParametersIsAWay) {
  EXPECT_THAT(claimed(false, "External", "/hr/*", {"deny web paths /hr/*"}), testing::IsEmpty());
  EXPECT_THAT(claimed(false, "External", "/hr/*", {"deny web paths ~/hr/.*,~/hr"}),
              testing::ElementsAre(
                  testing::HasSubstr("expectation-undecided: not proven: \"pool.local/hr/*\" "
                                     "may be reached, as by GET https://www.test")));
}

TEST(Expectations, WhatIsAlwaysReachedIsReachedFromEachAddress) {
  EXPECT_THAT(claimed(true, "External,Perimeter", "/abs/ext/*"), testing::IsEmpty());
  EXPECT_THAT(claimed(true, "External", "/abs/*"),
              testing::ElementsAre("expectation-violated: a client at 203.0.113.9 cannot reach "
                                   "\"pool.local/abs/int\": rule \"R0\" denies "
                                   "\"https://www.test/abs/int\""));
  EXPECT_THAT(claimed(true, "Perimeter", "/other/*"),
              testing::ElementsAre("expectation-violated: a client at 172.16.0.1 cannot reach "
                                   "\"pool.local/other\": no rule allows it "
                                   "\"https://www.test/other\""));
  EXPECT_THAT(claimed(true, "External", "/abs/ext/*", {"deny web from 198.51.100.77"}),
              testing::ElementsAre("expectation-violated: a client at 198.51.100.77 cannot reach "
                                   "\"pool.local/abs/ext\": rule \"First\" denies "
                                   "\"https://www.test/abs/ext\""));
}

// --- HTTP filters ---

settings::Settings filtered_subject() {
  settings::Settings settings = subject();
  settings::HttpFilter& filter = settings.http_filters.emplace_back();
  filter.methods.kind = settings::HttpFilter::Words::Kind::allow;
  filter.methods.words = {{"GET", {}}};
  settings.rules[1].filter = 0;
  return settings;
}

Example example_of(const char* method, const char* target, Example::Verdict verdict) {
  Example example;
  example.request = {"as written", {}};
  example.method = method;
  example.authority = "www.test";
  example.target = target;
  example.from = {IpAddress::parse("198.51.100.7").value(), {}};
  example.verdict = Located<Example::Verdict>{verdict, {}};
  return example;
}

TEST(Expectations, AnExampleThatTheFilterRefusesIsDenied) {
  settings::Settings settings = filtered_subject();
  settings.examples = {example_of("GET", "/x", Example::Verdict::allow),
                       example_of("POST", "/x", Example::Verdict::deny),
                       example_of("GET", "/%2541", Example::Verdict::deny)};
  EXPECT_THAT(proven(settings), testing::IsEmpty());
  settings.examples = {example_of("POST", "/x", Example::Verdict::allow)};
  EXPECT_THAT(proven(settings),
              testing::ElementsAre(
                  "expectation-violated: \"as written\" from 198.51.100.7 is denied: rule \"R1\" "
                  "allows it, and is not to forward it: method \"POST\""));
}

TEST(Expectations, WithoutAFilterAnExampleWithAReservedPathIsDenied) {
  settings::Settings settings = subject();
  settings.examples = {example_of("GET", "/%c3%a4", Example::Verdict::allow)};
  EXPECT_THAT(proven(settings),
              testing::ElementsAre(
                  "expectation-violated: \"as written\" from 198.51.100.7 is denied: rule \"R1\" "
                  "allows it, and is not to forward it: a character above U+007F in the path"));
}

}  // namespace
}  // namespace ocsproxy::rules
