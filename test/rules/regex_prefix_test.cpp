#include "rules/regex_prefix.h"

namespace ocsproxy::rules {
namespace {

struct Row {
  std::string_view pattern, directory;
};

class LiteralDirectory : public testing::TestWithParam<Row> {};

TEST_P(LiteralDirectory, IsWhatEveryMatchLiesBelow) {
  EXPECT_EQ(literal_directory(GetParam().pattern), GetParam().directory) << GetParam().pattern;
}

INSTANTIATE_TEST_SUITE_P(
    All, LiteralDirectory,
    testing::Values(Row{"/owa/auth/.*", "/owa/auth"}, Row{"/OWA/Auth/x", "/owa/auth"},
                    Row{"^/owa/.*", "/owa"}, Row{"/owa.*", ""}, Row{"/owa/auth?", "/owa"},
                    Row{"/owa/?x", ""}, Row{"/owa/*x", ""}, Row{"/owa/+x", ""},
                    Row{"/owa/{2}x", ""}, Row{"/a\\.b/c\\.d", "/a.b"}, Row{"/a\\d/b", ""},
                    Row{"/a/(b|c)/d", ""}, Row{"/a/b|/c/d", ""}, Row{"/a/(b)/c", "/a"},
                    Row{"/a/[bc]/d", "/a"}, Row{"/a/b$", "/a"}, Row{".*", ""}, Row{"", ""},
                    Row{"a/b/c", ""}, Row{"(?-i)/a/b/", ""}, Row{"/a/b/\\", "/a/b"},
                    Row{"/a/b\\.?c", "/a"}, Row{"/\\Qa/b\\E/c", ""}));

TEST(LiteralPrefix, IsWhatEveryMatchBeginsWith) {
  EXPECT_EQ(literal_prefix("/OWA/a\\.b[0-9]+"), "/owa/a.b");
  EXPECT_EQ(literal_prefix("/owa/ab*"), "/owa/a");
  EXPECT_EQ(literal_prefix("^abs/x"), "abs/x");
  EXPECT_EQ(literal_prefix("/a|/b"), "");
}

}  // namespace
}  // namespace ocsproxy::rules
