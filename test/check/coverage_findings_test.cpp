// What is said of policies in which rules cover each other: the lines of rules, and the findings.
#include "check/coverage_findings.h"

#include "policy_text.h"

namespace ocsproxy {
namespace {

std::vector<std::string> found(const std::vector<std::string>& rules) {
  settings::Settings settings = rules::make_settings(rules);
  Sources sources;
  std::string text;
  for (const std::string& rule : rules) text += rule + '\n';
  const std::uint32_t file = sources.add("conf/rules.yaml", text);
  for (std::uint32_t i = 0; i < settings.rules.size(); ++i) {
    settings.rules[i].name = {"R" + std::to_string(i), {file, i + 1, 1}};
  }
  Findings findings;
  const auto table = rules::RuleTable::compile(settings, rules::own_addresses(), findings);
  find_coverage(settings, *table, sources, findings);
  std::vector<std::string> result;
  for (const Finding& finding : findings.all()) {
    result.push_back(std::string(finding.code) + ": " + finding.text);
  }
  return result;
}

TEST(CoverageFindings, NamesTheOneRuleThatCovers) {
  EXPECT_THAT(found({"deny web paths /a/*", "allow web names www.test paths /A/b/*"}),
              testing::ElementsAre("rule-never-matches: rule \"R1\" can never match: rule \"R0\" "
                                   "(conf/rules.yaml:1) decides all of it"));
}

TEST(CoverageFindings, NamesTheRulesThatCoverTogether) {
  EXPECT_THAT(
      found({"allow web from External", "allow web from Perimeter names www.test",
             "allow web names www.test"}),
      testing::ElementsAre(
          "rule-never-matches: rule \"R2\" can never match: rule \"R0\" (conf/rules.yaml:1) and "
          "rule \"R1\" (conf/rules.yaml:2) decide all of it together"));
}

// Each first rule leaves something of the second one.
TEST(CoverageFindings, SaysNothingOfARuleWithARequestLeft) {
  const std::vector<std::vector<std::string>> policies = {
      {"allow web from External", "allow web names www.test"},
      {"allow web names *.test", "allow web names test"},
      {"allow web paths /a/*", "allow web paths /a/*,/b"},
      {"allow web methods GET,POST", "allow web"},
      {"allow web paths /a/*", "allow web paths /a;p"},
      {"disabled allow web", "allow web names www.test"},
      {"allow intranet", "allow web names www.test"},
      {"allow web names www.test from External paths /a", "allow web names www.test paths /a/*"},
  };
  for (const auto& policy : policies) {
    EXPECT_THAT(found(policy), testing::IsEmpty()) << policy.front();
  }
}

// Each path begins with a slash.
TEST(CoverageFindings, SaysThatARegexWithoutASlashInFrontMatchesNothing) {
  EXPECT_THAT(found({"allow web names www.test paths ~abs/.*"}),
              testing::ElementsAre(
                  "rule-never-matches: rule \"R0\" can never match: no request has its names and "
                  "paths"));
}

TEST(CoverageFindings, SaysThatExceptionsLeaveNobody) {
  EXPECT_THAT(found({"allow web from 198.51.100.7 except External"}),
              testing::ElementsAre("rule-without-clients: rule \"R0\" is for nobody: its "
                                   "\"except_from\" takes all of its \"from\""));
}

TEST(CoverageFindings, ShowsAPartThatAnEarlierRuleOfAnotherActionDecides) {
  EXPECT_THAT(
      found({"deny web paths /abs/int/*", "allow web names www.test from External",
             "allow web names b.test"}),
      testing::ElementsAre(
          "rule-partly-covered: rule \"R1\" does not decide all that it names: rule \"R0\" "
          "(conf/rules.yaml:1) comes before it, for example for GET http://www.test/abs/int from "
          "198.51.100.9; the same is true of 1 later rule"));
}

TEST(CoverageFindings, TakesARuleInTheMidstOfALaterOneForItsException) {
  EXPECT_THAT(
      found({"deny web names www.test paths /abs/int/*", "allow web names www.test", "deny web"}),
      testing::IsEmpty());
}

TEST(CoverageFindings, LeavesToTheReaderWhatHangsOnARegex) {
  const auto undecided = testing::ElementsAre(
      "rule-undecided: whether rule \"R1\" can match depends on regexes, its own or those before "
      "it, and no request for it was found");
  EXPECT_THAT(found({"allow web paths ~/.*", "allow web paths /a/*"}), undecided);
  EXPECT_THAT(found({"allow web paths ~/.*", "allow web paths ~/a/x"}), undecided);
  EXPECT_THAT(found({"allow web paths /b/*", "allow web paths ~/a/\\pN"}), undecided);
}

TEST(CoverageFindings, SaysNothingOfARegexOfWhichARequestIsFound) {
  EXPECT_THAT(found({"allow web paths ~/b/.*", "allow web paths /a/*"}), testing::IsEmpty());
  EXPECT_THAT(found({"allow web paths ~/a/[0-9]+", "allow web paths ~/a/(x|y)"}),
              testing::IsEmpty());
  EXPECT_THAT(found({"deny web paths ~/.*\\.exe", "deny web paths ~/.*\\.(exe|com)"}),
              testing::IsEmpty());
}

}  // namespace
}  // namespace ocsproxy
