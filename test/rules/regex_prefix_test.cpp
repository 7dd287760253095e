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

}  // namespace
}  // namespace ocsproxy::rules
