// What each part of a rule means, one table a part. A row: the rules, a request, the outcome.
#include "rules/rule_table.h"

#include "policy_text.h"

namespace ocsproxy::rules {
namespace {

struct Row {
  std::vector<std::string> rules;
  std::string_view request, outcome;
};

void PrintTo(const Row& row, std::ostream* out) {
  for (const std::string& rule : row.rules) *out << rule << " | ";
  *out << row.request;
}

std::string decide(const RuleTable& table, const Asked& asked) {
  Request request;
  request.listener = asked.listener;
  request.client = table.locate(asked.client);
  request.public_name = asked.name;
  request.path = asked.path;
  request.method = asked.method;
  return to_text(table.decide(request));
}

class Rules : public testing::TestWithParam<Row> {};

TEST_P(Rules, DecideThis) {
  const settings::Settings settings = make_settings(GetParam().rules);
  Findings findings;
  const auto table = RuleTable::compile(settings, own_addresses(), findings);
  ASSERT_FALSE(findings.has_errors()) << findings.all().front().text;
  EXPECT_EQ(decide(*table, parse_request(GetParam().request)), GetParam().outcome);
}

using testing::Values;
using testing::ValuesIn;
using Rows = std::vector<Row>;

INSTANTIATE_TEST_SUITE_P(
    Order, Rules,
    Values(Row{{}, "GET a.test/ 198.51.100.7", "no rule"},
           Row{{"allow"}, "GET a.test/ 198.51.100.7", "allow 0"},
           Row{{"deny", "allow"}, "GET a.test/ 198.51.100.7", "deny 0"},
           Row{{"allow", "deny"}, "GET a.test/ 198.51.100.7", "allow 0"},
           Row{{"disabled deny", "allow"}, "GET a.test/ 198.51.100.7", "allow 1"},
           Row{{"redirect", "allow"}, "GET a.test/ 198.51.100.7", "redirect 0"},
           // The first match wins, not the most precise.
           Row{{"allow paths /a/*", "deny paths /a/b"}, "GET a.test/a/b 198.51.100.7", "allow 0"},
           Row{{"allow names *", "deny names a.test"}, "GET a.test/ 198.51.100.7", "allow 0"},
           Row{{"allow paths /a/*,/b/*,/c/*"}, "GET a.test/b/x 198.51.100.7", "allow 0.1"},
           Row{{"allow paths /x", "allow paths /y,/a"}, "GET a.test/a 198.51.100.7", "allow 1.1"}));

INSTANTIATE_TEST_SUITE_P(
    Listener, Rules,
    Values(Row{{"allow intranet"}, "GET a.test/ 10.0.0.9", "no rule"},
           Row{{"allow intranet"}, "GET a.test/ 10.0.0.9 intranet", "allow 0"},
           Row{{"allow web"}, "GET a.test/ 10.0.0.9 intranet", "no rule"},
           Row{{"deny", "allow intranet"}, "GET a.test/ 10.0.0.9 intranet", "deny 0"},
           Row{{"deny web", "allow intranet"}, "GET a.test/ 10.0.0.9 intranet", "allow 1"},
           Row{{"allow web", "deny"}, "GET a.test/ 10.0.0.9", "allow 0"}));

INSTANTIATE_TEST_SUITE_P(
    From, Rules,
    Values(Row{{"allow from External"}, "GET a.test/ 198.51.100.7", "allow 0"},
           Row{{"allow from External"}, "GET a.test/ 2001:db8:9::1", "allow 0"},
           Row{{"allow from External"}, "GET a.test/ 10.0.0.9", "no rule"},
           Row{{"allow from External"}, "GET a.test/ 2001:db8:1::9", "no rule"},
           Row{{"allow from External"}, "GET a.test/ 203.0.113.1", "no rule"},
           Row{{"allow from Local_Host"}, "GET a.test/ 203.0.113.1", "allow 0"},
           Row{{"allow from Local_Host"}, "GET a.test/ 10.0.0.1", "allow 0"},
           Row{{"allow from Local_Host"}, "GET a.test/ 127.0.0.1", "allow 0"},
           Row{{"allow from Internal"}, "GET a.test/ 10.0.0.1", "no rule"},
           Row{{"allow from Anywhere"}, "GET a.test/ 10.0.0.1", "allow 0"},
           Row{{"allow from Anywhere"}, "GET a.test/ ::", "allow 0"},
           Row{{"allow from 198.51.100.0/24"}, "GET a.test/ 198.51.100.255", "allow 0"},
           Row{{"allow from 198.51.100.0/24"}, "GET a.test/ 198.51.101.0", "no rule"},
           Row{{"allow from Internal,198.51.100.7"}, "GET a.test/ 198.51.100.7", "allow 0"},
           Row{{"allow from External except 198.51.100.7"}, "GET a.test/ 198.51.100.7", "no rule"},
           Row{{"allow from External except 198.51.100.7"}, "GET a.test/ 198.51.100.8", "allow 0"},
           Row{{"allow from 10.0.0.0/8 except Local_Host"}, "GET a.test/ 10.0.0.1", "no rule"},
           Row{{"allow from External except Anywhere"}, "GET a.test/ 198.51.100.7", "no rule"},
           Row{{"deny except 198.51.100.7", "allow"}, "GET a.test/ 198.51.100.7", "allow 1"},
           Row{{"deny except 198.51.100.7", "allow"}, "GET a.test/ 198.51.100.8", "deny 0"}));

INSTANTIATE_TEST_SUITE_P(
    PublicNames, Rules,
    Values(Row{{"allow names a.test"}, "GET a.test/ 198.51.100.7", "allow 0"},
           Row{{"allow names a.test"}, "GET b.a.test/ 198.51.100.7", "no rule"},
           Row{{"allow names a.test"}, "GET a.test.evil.test/ 198.51.100.7", "no rule"},
           Row{{"allow names a.test"}, "GET xa.test/ 198.51.100.7", "no rule"},
           Row{{"allow names a.test,b.test"}, "GET b.test/ 198.51.100.7", "allow 0"},
           Row{{"allow names *.test"}, "GET a.test/ 198.51.100.7", "allow 0"},
           Row{{"allow names *.test"}, "GET c.b.a.test/ 198.51.100.7", "allow 0"},
           Row{{"allow names *.test"}, "GET test/ 198.51.100.7", "no rule"},
           Row{{"allow names *.a.test"}, "GET xa.test/ 198.51.100.7", "no rule"},
           Row{{"allow names *.a.test"}, "GET a.test/ 198.51.100.7", "no rule"},
           Row{{"deny names *.b.a.test", "allow names *.test"},
               "GET b.a.test/ 198.51.100.7",
               "allow 1"},
           Row{{"deny names *.b.a.test", "allow names *.test"},
               "GET c.b.a.test/ 198.51.100.7",
               "deny 0"},
           Row{{"allow names *"}, "GET a.test/ 198.51.100.7", "allow 0"},
           // Without Host only "*" fits.
           Row{{"allow names *"}, "GET -/ 198.51.100.7", "allow 0"},
           Row{{"allow names *.test,a.test"}, "GET -/ 198.51.100.7", "no rule"},
           // An address fits only where it is listed, and in each of its spellings.
           Row{{"allow names 192.0.2.1"}, "GET 192.0.2.1/ 198.51.100.7", "allow 0"},
           Row{{"allow names *.0.2.1"}, "GET 192.0.2.1/ 198.51.100.7", "no rule"},
           Row{{"allow names *"}, "GET 192.0.2.1/ 198.51.100.7", "allow 0"},
           Row{{"allow names [2001:DB8:0::1]"}, "GET 2001:db8::1/ 198.51.100.7", "allow 0"},
           Row{{"allow names 2001:db8::1"}, "GET 2001:db8::1/ 198.51.100.7", "allow 0"}));

INSTANTIATE_TEST_SUITE_P(
    Paths, Rules,
    Values(Row{{"allow paths /*"}, "GET a.test/ 198.51.100.7", "allow 0"},
           Row{{"allow paths /*"}, "GET a.test/x/y 198.51.100.7", "allow 0"},
           Row{{"allow paths /dir/*"}, "GET a.test/dir 198.51.100.7", "allow 0"},
           Row{{"allow paths /dir/*"}, "GET a.test/dir/ 198.51.100.7", "allow 0"},
           Row{{"allow paths /dir/*"}, "GET a.test/dir/x/y 198.51.100.7", "allow 0"},
           Row{{"allow paths /dir/*"}, "GET a.test/DIR/x 198.51.100.7", "allow 0"},
           Row{{"allow paths /Dir/*"}, "GET a.test/dir/x 198.51.100.7", "allow 0"},
           Row{{"allow paths /dir/*"}, "GET a.test/directory 198.51.100.7", "no rule"},
           Row{{"allow paths /dir/*"}, "GET a.test/di 198.51.100.7", "no rule"},
           Row{{"allow paths /dir/*"}, "GET a.test/x/dir/y 198.51.100.7", "no rule"},
           Row{{"allow paths /a/b/*"}, "GET a.test/a 198.51.100.7", "no rule"},
           Row{{"allow paths /"}, "GET a.test/ 198.51.100.7", "allow 0"},
           Row{{"allow paths /"}, "GET a.test/x 198.51.100.7", "no rule"},
           Row{{"allow paths /file"}, "GET a.test/FILE 198.51.100.7", "allow 0"},
           Row{{"allow paths /file"}, "GET a.test/file/ 198.51.100.7", "no rule"},
           Row{{"allow paths /file"}, "GET a.test/file/x 198.51.100.7", "no rule"},
           Row{{"allow paths /dir/"}, "GET a.test/dir/ 198.51.100.7", "allow 0"},
           Row{{"allow paths /dir/"}, "GET a.test/dir 198.51.100.7", "no rule"},
           Row{{"allow paths /pub/*>/int/ext/*"}, "GET a.test/pub/x 198.51.100.7", "allow 0"},
           Row{{"allow paths /pub/*>/int/ext/*"}, "GET a.test/int/ext/x 198.51.100.7", "no rule"}));

INSTANTIATE_TEST_SUITE_P(
    DenyOfAFileCoversWhatLiesBelow, Rules,
    Values(Row{{"deny paths /admin", "allow"}, "GET a.test/admin 198.51.100.7", "deny 0"},
           Row{{"deny paths /admin", "allow"}, "GET a.test/ADMIN 198.51.100.7", "deny 0"},
           Row{{"deny paths /admin", "allow"}, "GET a.test/admin/ 198.51.100.7", "deny 0"},
           Row{{"deny paths /admin", "allow"}, "GET a.test/admin/x 198.51.100.7", "deny 0"},
           Row{{"deny paths /admin", "allow"}, "GET a.test/administrator 198.51.100.7", "allow 1"},
           Row{{"deny paths /admin/", "allow"}, "GET a.test/admin/x 198.51.100.7", "deny 0"},
           Row{{"deny paths /admin/", "allow"}, "GET a.test/admin 198.51.100.7", "deny 0"},
           Row{{"redirect paths /admin", "allow"}, "GET a.test/admin/x 198.51.100.7", "redirect 0"},
           Row{{"deny paths /", "allow"}, "GET a.test/ 198.51.100.7", "deny 0"},
           Row{{"deny paths /", "allow"}, "GET a.test/x 198.51.100.7", "allow 1"}));

INSTANTIATE_TEST_SUITE_P(
    Regex, Rules,
    Values(
        Row{{R"(allow paths ~/x.*\.dat)"}, "GET a.test/x/y.dat 198.51.100.7", "allow 0"},
        Row{{R"(allow paths ~/x.*\.dat)"}, "GET a.test/X/Y.DAT 198.51.100.7", "allow 0"},
        Row{{R"(allow paths ~/x.*\.dat)"}, "GET a.test/x/y.data 198.51.100.7", "no rule"},
        Row{{R"(allow paths ~/x.*\.dat)"}, "GET a.test/a/x/y.dat 198.51.100.7", "no rule"},
        Row{{"allow paths ~/dir/[0-9]+"}, "GET a.test/Dir/42 198.51.100.7", "allow 0"},
        Row{{"allow paths ~/dir/[0-9]+"}, "GET a.test/dir/x 198.51.100.7", "no rule"},
        Row{{"allow paths ~/a|/b"}, "GET a.test/b 198.51.100.7", "allow 0"},
        Row{{"allow paths ~/a|/b"}, "GET a.test/a/b 198.51.100.7", "no rule"},
        Row{{"deny paths ~/d/.*x", "deny paths ~/d/.*y", "allow"},
            "GET a.test/d/y 198.51.100.7",
            "deny 1"},
        Row{{"deny paths ~/d/.* methods PUT", "allow"}, "GET a.test/d/y 198.51.100.7", "allow 1"}));

INSTANTIATE_TEST_SUITE_P(
    Methods, Rules,
    Values(Row{{"allow methods GET,HEAD"}, "HEAD a.test/ 198.51.100.7", "allow 0"},
           Row{{"allow methods GET,HEAD"}, "POST a.test/ 198.51.100.7", "no rule"},
           Row{{"allow methods GET"}, "get a.test/ 198.51.100.7", "no rule"},
           Row{{"deny methods DELETE", "allow"}, "DELETE a.test/ 198.51.100.7", "deny 0"},
           Row{{"deny methods DELETE", "allow"}, "RPC_IN_DATA a.test/ 198.51.100.7", "allow 1"},
           Row{{"allow methods PUT", "allow methods *", "deny methods GET"},
               "GET a.test/ 198.51.100.7",
               "allow 1"}));

INSTANTIATE_TEST_SUITE_P(
    Parameters, Rules,
    Values(Row{{"deny paths /admin/*", "allow"}, "GET a.test/admin;x=1 198.51.100.7", "deny 0"},
           Row{{"deny paths /admin/*", "allow"}, "GET a.test/admin;x/y 198.51.100.7", "deny 0"},
           Row{{"deny paths /admin/*", "allow"}, "GET a.test/;x/admin 198.51.100.7", "deny 0"},
           Row{{"deny paths /a/b", "allow"}, "GET a.test/a;p=1/;q/b;r 198.51.100.7", "deny 0"},
           Row{{"redirect paths /admin", "allow"}, "GET a.test/admin;x 198.51.100.7", "redirect 0"},
           Row{{"deny paths ~.*;evil.*", "allow"}, "GET a.test/x;evil 198.51.100.7", "deny 0"},
           Row{{"allow"}, "GET a.test/x;p=1/y 198.51.100.7", "allow 0"},
           // What both forms allow is the rule that the path as it came matches.
           Row{{"allow paths /x", "allow"}, "GET a.test/x;p 198.51.100.7", "allow 1"},
           // The implicit deny of either form counts too.
           Row{{"allow paths /x"}, "GET a.test/x;p 198.51.100.7", "no rule"},
           Row{{"allow paths /x;p"}, "GET a.test/x;p 198.51.100.7", "no rule"}));

// Rules that differ in nothing but their addresses: few are asked one after the other, many are
// looked up, and what is looked up may be dense or sparse.
Rows same_but_for_addresses(int count, int stride) {
  std::vector<std::string> rules;
  for (int i = 0; i < count; ++i) {
    rules.push_back("allow from 198.51." + std::to_string(i * stride / 256) + '.' +
                    std::to_string(i * stride % 256));
  }
  rules.push_back("deny from 198.51.0.0/16");
  const std::string last = "allow " + std::to_string(count - 1);
  const int at = (count - 1) * stride;
  const std::string address = "198.51." + std::to_string(at / 256) + '.' + std::to_string(at % 256);
  static std::vector<std::string> kept;  // the rows hold views
  kept.reserve(100);
  const auto keep = [](std::string text) -> std::string_view {
    kept.push_back(std::move(text));
    return kept.back();
  };
  return {Row{rules, "GET a.test/ 198.51.0.0", "allow 0"},
          Row{rules, keep("GET a.test/ " + address), keep(last)},
          Row{rules, "GET a.test/ 198.51.255.255", keep("deny " + std::to_string(count))},
          Row{rules, "GET a.test/ 198.52.0.0", "no rule"}};
}
INSTANTIATE_TEST_SUITE_P(FewAddresses, Rules, ValuesIn(same_but_for_addresses(5, 2)));
INSTANTIATE_TEST_SUITE_P(ManyAddresses, Rules, ValuesIn(same_but_for_addresses(300, 2)));

std::shared_ptr<const RuleTable> compile(const settings::Settings& settings) {
  Findings findings;
  auto table = RuleTable::compile(settings, own_addresses(), findings);
  EXPECT_FALSE(findings.has_errors());
  return table;
}

TEST(RuleTable, LocatesEachClientInItsNetwork) {
  const settings::Settings settings = make_settings({"allow from 198.51.100.7"});
  const auto table = compile(settings);
  const auto network = [&](std::string_view address) {
    return table->network_name(table->locate(IpAddress::parse(address).value()));
  };
  EXPECT_EQ(network("198.51.100.7"), "External");
  EXPECT_EQ(network("::"), "External");
  EXPECT_EQ(network("10.9.9.9"), "Internal");
  EXPECT_EQ(network("fd12::1"), "Internal");
  EXPECT_EQ(network("172.31.255.255"), "Perimeter");
  EXPECT_EQ(network("10.0.0.1"), "Local Host");
  EXPECT_EQ(network("::1"), "Local Host");
}

TEST(RuleTable, ListenerServesOnlyItsNetworks) {
  const settings::Settings settings = make_settings({});
  const auto table = compile(settings);
  const auto serves = [&](std::uint32_t listener, std::string_view address) {
    return table->serves(listener, table->locate(IpAddress::parse(address).value()));
  };
  EXPECT_TRUE(serves(0, "198.51.100.7"));
  EXPECT_TRUE(serves(0, "172.16.0.1"));
  EXPECT_FALSE(serves(0, "10.0.0.9"));
  EXPECT_FALSE(serves(0, "203.0.113.1"));
  EXPECT_TRUE(serves(1, "10.0.0.9"));
  EXPECT_FALSE(serves(1, "198.51.100.7"));
}

TEST(RuleTable, PublishesWhatAnEnabledAllowRuleOfTheListenerNames) {
  const settings::Settings settings = make_settings(
      {"deny names denied.test", "disabled allow names off.test",
       "allow names www.test,*.lab.test paths /x methods PUT", "allow intranet names inside.test"});
  const auto table = compile(settings);
  EXPECT_TRUE(table->publishes(0, "www.test"));
  EXPECT_TRUE(table->publishes(0, "a.b.lab.test"));
  EXPECT_FALSE(table->publishes(0, "lab.test"));
  EXPECT_FALSE(table->publishes(0, "denied.test"));
  EXPECT_FALSE(table->publishes(0, "off.test"));
  EXPECT_FALSE(table->publishes(0, "inside.test"));
  EXPECT_TRUE(table->publishes(1, "inside.test"));
  EXPECT_FALSE(table->publishes(0, ""));
}

TEST(RuleTable, PathWithParametersThatIsTooLongToJudgeIsDenied) {
  const settings::Settings settings = make_settings({"allow"});
  const auto table = compile(settings);
  Asked asked = parse_request("GET a.test/ 198.51.100.7");
  asked.path = "/;" + std::string(kMaxJudgedPath - 2, 'x');
  EXPECT_EQ(decide(*table, asked), "allow 0");
  asked.path += 'x';
  EXPECT_EQ(decide(*table, asked), "no rule");
  asked.path[1] = 'x';
  EXPECT_EQ(decide(*table, asked), "allow 0");
}

struct FaultRow {
  std::string rule;
  std::string_view code, text, mend;
};

void PrintTo(const FaultRow& row, std::ostream* out) { *out << row.rule; }

class RuleFault : public testing::TestWithParam<FaultRow> {};

TEST_P(RuleFault, IsFoundWhenCompiling) {
  const settings::Settings settings = make_settings({GetParam().rule});
  Findings findings;
  RuleTable::compile(settings, {}, findings);
  ASSERT_EQ(findings.all().size(), 1u);
  EXPECT_EQ(findings.all()[0].severity, Severity::error);
  EXPECT_EQ(findings.all()[0].code, GetParam().code);
  EXPECT_THAT(findings.all()[0].text, testing::HasSubstr(std::string(GetParam().text)));
  EXPECT_THAT(findings.all()[0].mend, testing::HasSubstr(std::string(GetParam().mend)));
}

INSTANTIATE_TEST_SUITE_P(
    All, RuleFault,
    Values(FaultRow{"allow paths ~/x(", "bad-regex", "\"/x(\" is refused: missing )", "RE2"},
           FaultRow{"allow paths ~/x(?=y)", "bad-regex", "(?=", "RE2"},
           FaultRow{"allow paths ~/(((a{100}){100}){100})", "bad-regex", "", "RE2"},
           FaultRow{"allow paths /a/../b", "path-not-canonical", "not the form", "write \"/b\""},
           FaultRow{"deny paths /%61dmin/*", "path-not-canonical", "not the form",
                    "write \"/admin/*\""},
           FaultRow{"deny paths /a//*", "path-not-canonical", "not the form", "write \"/a/*\""},
           FaultRow{"deny paths /a?b", "path-not-canonical", "not the form", "write \"/a\""},
           FaultRow{"deny paths /a%2fb/*", "path-not-canonical", "an encoded slash",
                    "before the rules"},
           FaultRow{"deny paths /a./*", "path-not-canonical", "ends in a dot", "before the rules"},
           FaultRow{"allow paths /a/*>/b/./c/*", "path-not-canonical", "\"/b/./c/*\"",
                    "write \"/b/c/*\""},
           FaultRow{"deny paths dir/*", "path-not-canonical", "neither a path", "before the rules"},
           FaultRow{"allow from Elsewhere", "unknown-network", "\"Elsewhere\" is no network", ""},
           FaultRow{"deny except Elsewhere", "unknown-network", "\"Elsewhere\" is no network",
                    ""}));

TEST(RuleFault, AllowWithoutAListenerIsFoundAndAllowsNothing) {
  settings::Settings settings = make_settings({"allow"});
  settings.rules[0].listener.value.clear();
  Findings findings;
  const auto table = RuleTable::compile(settings, {}, findings);
  EXPECT_TRUE(findings.has_errors());
  EXPECT_EQ(decide(*table, parse_request("GET a.test/ 198.51.100.7")), "no rule");
}

}  // namespace
}  // namespace ocsproxy::rules
