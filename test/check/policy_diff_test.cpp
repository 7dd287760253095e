// What --diff says of two policies, as lines of rules.
#include "check/diff_report.h"
#include "policy_text.h"

namespace ocsproxy {
namespace {

using Lines = std::vector<std::string>;
using Edit = void (*)(settings::Settings& settings);

std::unique_ptr<PolicyFile> make_policy(const std::string& path, const Lines& lines, Edit edit) {
  auto policy = std::make_unique<PolicyFile>();
  settings::Settings& settings = policy->settings;
  settings = rules::make_settings(lines);
  const std::uint32_t file = policy->sources.add(path, "");
  for (std::uint32_t i = 0; i < settings.rules.size(); ++i) {
    settings::Rule& rule = settings.rules[i];
    rule.name = {"R" + std::to_string(i), {file, i + 1, 1}};
    if (*rule.action == settings::Action::allow) rule.to.emplace().site.value = "pool.local";
  }
  for (settings::Listener& listener : settings.listeners) listener.https.emplace();
  if (edit != nullptr) edit(settings);
  policy->table = rules::RuleTable::compile(settings, {}, policy->findings);
  return policy;
}

std::string report(const Lines& old_lines, const Lines& new_lines, Edit old_edit = nullptr,
                   Edit new_edit = nullptr) {
  const auto before = make_policy("old.yaml", old_lines, old_edit);
  const auto now = make_policy("new.yaml", new_lines, new_edit);
  const rules::RequestSpace space({before->policy(), now->policy()});
  return diff_as_text(compare_policies(space), space, *before, *now);
}

constexpr std::string_view kSame =
    "no behavioural difference: every request gets the same answer\n";

TEST(PolicyDiff, WhatOneRuleSaysTwoCanSayToo) {
  EXPECT_EQ(report({"allow web names a.test,b.test"},
                   {"allow web names b.test", "allow web names a.test"}),
            kSame);
  EXPECT_EQ(report({"allow web paths /a/*"}, {"allow web paths /A/*,/a/b/*"}), kSame);
  EXPECT_EQ(report({"deny web paths /a/*", "allow web"},
                   {"deny web paths /a/b/*", "deny web paths /a/*", "allow web"}),
            kSame);
  EXPECT_EQ(report({"allow web from External", "allow web from Perimeter"}, {"allow web"}), kSame);
  EXPECT_EQ(report({"allow web paths /a/*>/x/*"}, {"allow web paths /a/b/*>/x/b/*,/a/*>/x/*"}),
            kSame);
}

TEST(PolicyDiff, ARegexThatStaysWhereItIsMakesNoDoubt) {
  EXPECT_EQ(report({"deny web paths ~/a/.*\\.exe", "allow web paths /a/*,/b/*"},
                   {"deny web paths ~/a/.*\\.exe", "allow web paths /b/*,/a/*"}),
            kSame);
}

TEST(PolicyDiff, ShowsWhatIsOpenedWithTheRulesAndAnExample) {
  EXPECT_EQ(report({"deny web paths /abs/int/*", "allow web from External names www.test"},
                   {"deny web paths /abs/int/x/*", "allow web from External names www.test"}),
            "opened: denied before, allowed now\n"
            "  listener  web (https)\n"
            "  names     www.test\n"
            "  paths     /abs/int/* but not /abs/int/x/*\n"
            "  methods   any method\n"
            "  from      External\n"
            "  before    rule \"R0\" (old.yaml:1) denies\n"
            "  now       rule \"R1\" (new.yaml:2) allows, to https://pool.local:443\n"
            "  example   GET https://www.test/abs/int from 203.0.113.9\n"
            "\n"
            "1 difference: 1 opened\n");
}

TEST(PolicyDiff, NamesTheKindOfEachChange) {
  const auto last_line = [](std::string text) {
    text.pop_back();
    return text.substr(text.rfind('\n') + 1);
  };
  const Lines allow = {"allow web from External names www.test"};
  EXPECT_EQ(last_line(report(allow, {})), "1 difference: 1 closed");
  EXPECT_EQ(last_line(report(allow, allow, nullptr,
                             [](settings::Settings& settings) {
                               settings.rules[0].to->site.value = "other.local";
                             })),
            "1 difference: 1 target");
  EXPECT_EQ(last_line(report(allow, {allow[0] + " paths /*>/x/*"})), "1 difference: 1 target");
  EXPECT_EQ(last_line(report(allow, allow, nullptr,
                             [](settings::Settings& settings) {
                               settings.rules[0].delegation.value = settings::Delegation::none;
                             })),
            "1 difference: 1 authentication");
  EXPECT_EQ(last_line(report({"deny web names www.test"}, {"redirect web names www.test"})),
            "1 difference: 1 answer");
  EXPECT_EQ(last_line(report(allow, allow, nullptr,
                             [](settings::Settings& settings) {
                               settings.listeners[0].networks = {{"Perimeter", {}}};
                             })),
            "1 difference: 1 closed");
}

// Plain HTTP is a way in of its own.
TEST(PolicyDiff, SeesThatPlainHttpServesWhatItOnlyRedirected) {
  const auto redirecting = [](settings::Settings& settings) {
    settings.listeners[0].http.emplace().redirect_to_https = true;
  };
  const auto serving = [](settings::Settings& settings) { settings.listeners[0].http.emplace(); };
  const Lines allow = {"allow web from External names www.test methods GET"};
  EXPECT_EQ(report(allow, allow, redirecting, redirecting), kSame);
  EXPECT_THAT(report(allow, allow, redirecting, serving),
              testing::HasSubstr("opened: denied before, allowed now\n"
                                 "  listener  web (http)\n"
                                 "  names     www.test\n"
                                 "  paths     /*\n"
                                 "  methods   GET\n"));
}

// The same paths in other words, which no example shows.
TEST(PolicyDiff, SaysWhatARegexLeavesUndecided) {
  const std::string text = report({"allow web from External names www.test paths ~/a/[0-9][0-9]"},
                                  {"allow web from External names www.test paths ~/a/[0-9]{2}"});
  EXPECT_EQ(text,
            "undecided: whether these differ depends on what a regex matches\n"
            "  regexes   \"/a/[0-9][0-9]\", \"/a/[0-9]{2}\"\n"
            "  listener  web\n"
            "  names     www.test\n"
            "  paths     /a/* but not /a\n"
            "  methods   any method\n"
            "  from      External\n"
            "\n"
            "no behavioural difference, but for what the regexes above leave undecided\n");
}

TEST(PolicyDiff, ShowsWhatTheEndOfADenyByARegexOpensWithAPathThatItMatches) {
  EXPECT_EQ(report({"deny web paths ~/a/x[0-9]+", "allow web from External names www.test"},
                   {"allow web from External names www.test"}),
            "opened: denied before, allowed now\n"
            "  listener  web (https)\n"
            "  names     www.test\n"
            "  paths     /a/* but not /a\n"
            "  methods   any method\n"
            "  from      External\n"
            "  before    rule \"R0\" (old.yaml:1) denies\n"
            "  now       rule \"R0\" (new.yaml:1) allows, to https://pool.local:443\n"
            "  example   GET https://www.test/a/x1 from 203.0.113.9\n"
            "  but       a regex decides which of these differ; the example does for certain\n"
            "\n"
            "1 difference: 1 opened\n");
}

TEST(PolicyDiff, FindsBothWhatAnEditedRegexOpensAndWhatItCloses) {
  const std::string text = report({"allow web from External names www.test paths ~/a/.*b"},
                                  {"allow web from External names www.test paths ~/a/c.*"});
  EXPECT_THAT(text, testing::HasSubstr("2 differences: 1 opened, 1 closed\n"));
}

// A regex of which each match begins with other letters has no say.
TEST(PolicyDiff, WhatNoPathOfTheRegexBeginsWithIsCertain) {
  const std::string text = report(
      {"deny web paths ~/x[0-9]+", "deny web paths /a/*", "allow web from External names www.test"},
      {"deny web paths ~/x[0-9]+", "allow web from External names www.test"});
  EXPECT_TRUE(
      text.starts_with("opened: denied before, allowed now\n"
                       "  listener  web (https)\n"
                       "  names     www.test\n"
                       "  paths     /a/*\n"
                       "  methods   any method\n"
                       "  from      External\n"
                       "  before    rule \"R1\" (old.yaml:2) denies\n"
                       "  now       rule \"R1\" (new.yaml:2) allows, to https://pool.local:443\n"
                       "  example   GET https://www.test/a from 203.0.113.9\n"
                       "\n"))
      << text;
}

TEST(PolicyDiff, WhatANetworkLacksIsSaidWhereThatIsShorter) {
  EXPECT_THAT(
      report({"allow web from External names www.test"},
             {"allow web from External except 198.51.100.0/24 names www.test paths /*>/x/*"}),
      testing::HasSubstr("  from      External (but not 198.51.100.0/24)\n"));
}

void add_filter(settings::Settings& settings, auto change) {
  settings::HttpFilter& filter = settings.http_filters.emplace_back();
  change(filter);
  settings.rules[0].filter = static_cast<std::uint32_t>(settings.http_filters.size() - 1);
}

TEST(PolicyDiff, NeverCallsItTheSameWhenFiltersDiffer) {
  const Lines allow = {"allow web from External names www.test paths /a/*"};
  const Edit plain = [](settings::Settings& settings) { add_filter(settings, [](auto&) {}); };
  const Edit short_urls = [](settings::Settings& settings) {
    add_filter(settings, [](auto& filter) {
      filter.name = {"Short", {}};
      filter.max_url_length = {100, {}};
    });
    settings.rules[0].http_filter = {"Short", {}};
  };
  EXPECT_EQ(
      report(allow, allow, plain, short_urls),
      "filter: allowed, through another HTTP filter now; which of these it refuses is not "
      "compared\n"
      "  listener  web (https)\n"
      "  names     www.test\n"
      "  paths     /a/*\n"
      "  methods   any method\n"
      "  from      External\n"
      "  before    rule \"R0\" (old.yaml:1) allows, to https://pool.local:443, through an HTTP "
      "filter of its own\n"
      "  now       rule \"R0\" (new.yaml:1) allows, to https://pool.local:443, through the "
      "HTTP filter \"Short\"\n"
      "  example   GET https://www.test/a from 203.0.113.9\n"
      "\n"
      "1 difference: 1 filter\n");
  EXPECT_THAT(report(allow, allow, nullptr, plain), testing::HasSubstr("1 difference: 1 filter"));
  EXPECT_THAT(report(allow, allow, plain, nullptr), testing::HasSubstr("1 difference: 1 filter"));
}

TEST(PolicyDiff, CallsFiltersOfTheSameEffectTheSame) {
  const Lines allow = {"allow web from External names www.test"};
  const Edit own = [](settings::Settings& settings) {
    add_filter(settings, [](auto& filter) {
      filter.signatures.push_back(
          {.where = {}, .name = {"A", {}}, .place = {}, .pattern = {"a", {}}});
    });
  };
  const Edit named = [](settings::Settings& settings) {
    settings.http_filters.emplace_back();
    add_filter(settings, [](auto& filter) {
      filter.name = {"Other", {0, 7, 1}};
      filter.max_url_length = {10240, {0, 8, 1}};
      filter.signatures.push_back(
          {.where = {0, 9, 1}, .name = {"A", {}}, .place = {}, .pattern = {"a", {}}});
    });
    settings.rules[0].http_filter = {"Other", {}};
  };
  EXPECT_EQ(report(allow, allow, own, named), kSame);
}

}  // namespace
}  // namespace ocsproxy
