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
                    Row{"/a/(b|c)/d", "/a"}, Row{"/a/(b|c)|/d/e", ""},
                    Row{"/a/(?:b|(c|d))/e", "/a"}, Row{"/a/[|]/(b|c)", "/a"},
                    Row{"/a/[(]/b|c/", ""}, Row{"/a/[])]/(b|c)", "/a"}, Row{"/a/[^]|]/(b|c)", "/a"},
                    Row{"/a/[\\]|(]/b|c", ""}, Row{"/a/[[:alpha:]]/(b|c)", ""},
                    Row{"/a/\\(b|c", ""}, Row{"/a/\\Q(\\E|/b", ""}, Row{"/a/b|/c/d", ""},
                    Row{"/a/(b)/c", "/a"}, Row{"/a/[bc]/d", "/a"}, Row{"/a/b$", "/a"},
                    Row{".*", ""}, Row{"", ""}, Row{"a/b/c", ""}, Row{"(?-i)/a/b/", ""},
                    Row{"/a/b/\\", "/a/b"}, Row{"/a/b\\.?c", "/a"}, Row{"/\\Qa/b\\E/c", ""}));

struct SplitRow {
  std::string_view pattern, literal, rest;
};

class SplitPatternTest : public testing::TestWithParam<SplitRow> {};

TEST_P(SplitPatternTest, IsWhatEveryMatchBeginsWithAndWhatFollows) {
  const SplitPattern split = split_pattern(GetParam().pattern);
  EXPECT_EQ(split.literal, GetParam().literal) << GetParam().pattern;
  EXPECT_EQ(split.rest, GetParam().rest) << GetParam().pattern;
}

INSTANTIATE_TEST_SUITE_P(All, SplitPatternTest,
                         testing::Values(SplitRow{"/OWA/a\\.b[0-9]+", "/owa/a.b", "[0-9]+"},
                                         SplitRow{"/owa/ab*", "/owa/a", "b*"},
                                         SplitRow{"/owa/a\\.?", "/owa/a", "\\.?"},
                                         SplitRow{"^abs/x", "abs/x", ""},
                                         SplitRow{"^/a|/b", "", "^/a|/b"},
                                         SplitRow{"/a(b|c)d", "/a", "(b|c)d"},
                                         SplitRow{"a?", "", "a?"}, SplitRow{"", "", ""}));

}  // namespace
}  // namespace ocsproxy::rules
