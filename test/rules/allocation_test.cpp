// Judging a request allocates nothing.
#include <array>

#include "counted_new.h"
#include "policy_text.h"
#include "rules/canonical_target.h"
#include "rules/path_mapping.h"

namespace ocsproxy::rules {
namespace {

struct Row {
  std::string_view target, name, client, outcome;
};

class Judging : public testing::TestWithParam<Row> {};

TEST_P(Judging, AllocatesNothing) {
  std::vector<std::string> rules = {
      "deny names *.closed.test", "deny paths /private methods PUT,DELETE",
      "allow names www.test,*.lab.test,192.0.2.1 paths /a/*>/internal/a/*,/file",
      "allow from External except 198.51.100.66 names * paths /open/*",
      R"(allow names www.test paths ~/a\d+/.*\.dat)"};
  for (int i = 0; i < 40; ++i) rules.push_back("deny from 198.51.100." + std::to_string(i * 2));
  const settings::Settings settings = make_settings(rules);
  Findings findings;
  const auto table = RuleTable::compile(settings, own_addresses(), findings);
  const IpAddress client = IpAddress::parse(GetParam().client).value();
  std::array<char, 1024> target_buffer{}, path_buffer{};
  std::array<char, kAuthorityBufferSize> name_buffer{};
  Authority authority;
  CanonicalTarget target;
  Decision decision;

  const auto judge = [&] {
    ASSERT_TRUE(parse_authority(GetParam().name, name_buffer, authority));
    ASSERT_EQ(canonicalize(GetParam().target, true, target_buffer, target), TargetError::none);
    decision = table->decide({0, table->locate(client), authority.name, target.path, "GET"});
    if (decision.verdict == Verdict::allow) {
      const settings::Path& path = settings.rules[decision.rule].paths[decision.path];
      ASSERT_TRUE(internal_path(path, target.path, path_buffer));
    }
  };
  judge();  // RE2 fills its cache on first use
  const int before = allocations();
  judge();
  EXPECT_EQ(allocations(), before);
  EXPECT_EQ(to_text(decision), GetParam().outcome);
}

INSTANTIATE_TEST_SUITE_P(
    All, Judging,
    testing::Values(Row{"/a/b", "www.test", "198.51.100.7", "allow 2"},
                    Row{"/%61/./b;x=1?q", "WWW.test.", "198.51.100.7", "allow 2"},
                    Row{"/FILE", "a.b.lab.test:443", "2001:db8::7", "allow 2.1"},
                    Row{"/open/x", "[2001:DB8::1]", "198.51.100.7", "allow 3"},
                    Row{"/file", "192.0.2.1", "198.51.100.7", "allow 2.1"},
                    Row{"/a17/x.DAT", "www.test", "198.51.100.7", "allow 4"},
                    Row{"/x", "www.closed.test", "198.51.100.7", "deny 0"},
                    Row{"/x", "www.test", "198.51.100.78", "deny 44"},
                    Row{"/x", "www.test", "198.51.100.77", "no rule"}));

}  // namespace
}  // namespace ocsproxy::rules
