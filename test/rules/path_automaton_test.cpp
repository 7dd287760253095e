// Which patterns have an automaton, and that the packed form keeps what it says.
#include "rules/path_automaton.h"

#include <string>

#include <gtest/gtest.h>

namespace ocsproxy::rules {
namespace {

class Understood : public testing::TestWithParam<std::string_view> {};
class LeftToRe2 : public testing::TestWithParam<std::string_view> {};

TEST_P(Understood, HasAnAutomaton) { EXPECT_TRUE(read_path_automaton(GetParam())); }
TEST_P(LeftToRe2, HasNone) { EXPECT_FALSE(read_path_automaton(GetParam())); }

INSTANTIATE_TEST_SUITE_P(All, Understood,
                         testing::Values("", "/a", ".*\\.aspx", "[^/]+/[a-z0-9_.-]*", "(a|b)*c",
                                         "(?:/.*)?", "^/a$|^/b$", "\\d{4}", "a{2,}", "a{1,3}?",
                                         "[]x]", "[^]x]", "[-x]", "[x-]", "[\\w.]+\\-", "()",
                                         "(|a)", "a b", "\\(x\\)"));
INSTANTIATE_TEST_SUITE_P(All, LeftToRe2,
                         testing::Values("(?i)a", "(?-i)a", "(?P<n>a)", "\\ba", "a\\b", "\\Aa",
                                         "a\\z", "\\Qa\\E", "\\x41", "\\141", "\\pL", "[[:alpha:]]",
                                         "[a-\\d]", "\\C", "a^b", "a$b", "(^a)", "(a$)", "a{,2}",
                                         "a{0}", "a{63}", "}", "]", "a**", "\xc3\xa9",
                                         "[\xc3-\xc4]", "(a", "a)", "[a", "\\", "*"));

TEST(PathAutomaton, HasAtMostItsNumberOfPositions) {
  EXPECT_TRUE(read_path_automaton(std::string(PathAutomaton::kMaxPositions, 'a')));
  EXPECT_FALSE(read_path_automaton(std::string(PathAutomaton::kMaxPositions + 1, 'a')));
  EXPECT_TRUE(read_path_automaton("[ab]{62}"));
  EXPECT_FALSE(read_path_automaton("([ab]{31}){3}"));
}

TEST(PathAutomaton, OfNothingRepeatedIsGivenUpAndNotReadForEver) {
  std::string pattern(16, '(');
  pattern += ')';
  for (int i = 0; i < 15; ++i) pattern += "){62}";
  EXPECT_FALSE(read_path_automaton(pattern));
}

TEST(PathAutomaton, GroupsInGroupsAreReadToADepth) {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '(').append("a").append(depth, ')');
  };
  EXPECT_TRUE(read_path_automaton(nested(20)));
  EXPECT_FALSE(read_path_automaton(nested(21)));
}

struct SuffixRow {
  std::string_view pattern, suffix;
};

class LiteralSuffix : public testing::TestWithParam<SuffixRow> {};

TEST_P(LiteralSuffix, IsWhatEveryMatchEndsWith) {
  PathAutomaton automaton = *read_path_automaton(GetParam().pattern);
  EXPECT_EQ(take_literal_suffix(automaton), GetParam().suffix) << GetParam().pattern;
}

INSTANTIATE_TEST_SUITE_P(All, LiteralSuffix,
                         testing::Values(SuffixRow{".*\\.ASPX", ".aspx"}, SuffixRow{"abc", "abc"},
                                         SuffixRow{"(a|b)*c1", "c1"}, SuffixRow{"(a|b)c?", ""},
                                         SuffixRow{"ab|cb", ""}, SuffixRow{"ab+", ""},
                                         SuffixRow{".*", ""}, SuffixRow{"(ab)*", ""},
                                         SuffixRow{"a{3}", "aaa"}, SuffixRow{"", ""},
                                         SuffixRow{"x[aA]", "xa"}, SuffixRow{"x[ab]", ""}));

TEST(PathAutomata, KeepEachApartAndUseItsLastPosition) {
  PathAutomata all;
  PathAutomataBuilder builder(all);
  const auto add = [&builder](std::string_view pattern) {
    return builder.add(*read_path_automaton(pattern)).value();
  };
  const auto first = add("a*");
  const auto second = add("[ab]{61}c");
  const auto third = add("x");
  EXPECT_TRUE(all.matches(first, ""));
  EXPECT_TRUE(all.matches(first, "AaA"));
  EXPECT_FALSE(all.matches(first, "b"));
  EXPECT_TRUE(all.matches(second, std::string(61, 'b').append("C")));
  EXPECT_FALSE(all.matches(second, std::string(61, 'b')));
  EXPECT_FALSE(all.matches(second, ""));
  EXPECT_EQ(add("[A]*"), first);
  EXPECT_TRUE(all.matches(third, "X"));
  EXPECT_FALSE(all.matches(third, "xx"));
}

TEST(PathAutomata, RefuseWhatHasTooManySetsToNumber) {
  PathAutomata all;
  PathAutomataBuilder builder(all);
  std::size_t added = 0;
  std::size_t tried = 0;
  // Each pattern has 62 sets that no other has: three characters each, all different.
  for (int a = 33; a < 127; ++a) {
    for (int b = a + 1; b < 127; ++b) {
      PathAutomaton automaton;
      for (int c = 128; c < 190; ++c) {
        automaton.sets.push_back(ByteSet()
                                     .set(static_cast<std::size_t>(a))
                                     .set(static_cast<std::size_t>(b))
                                     .set(static_cast<std::size_t>(c)));
      }
      ++tried;
      added += builder.add(automaton) ? 1 : 0;
    }
  }
  EXPECT_EQ(added, 65536 / 62);
  EXPECT_LT(added, tried);
}

}  // namespace
}  // namespace ocsproxy::rules
