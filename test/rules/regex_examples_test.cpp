#include "rules/regex_examples.h"

#include <array>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rules/canonical_target.h"

namespace ocsproxy::rules {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::IsEmpty;
using testing::Not;

std::vector<std::string> examples(const std::string& pattern) {
  re2::RE2::Options options;
  options.set_case_sensitive(false);
  const re2::RE2 regex(pattern, options);
  EXPECT_TRUE(regex.ok()) << pattern;
  return example_paths(regex);
}

TEST(ExamplePaths, AreCanonicalAndMatched) {
  for (const char* pattern :
       {"/abs/.*", "/(abs|conf)/[^/]+", "/x/?.*", "/a(/b)*", "/.*", ".*", "/[a/]+", "/a%20b.*"}) {
    const re2::RE2 regex(pattern);
    const auto paths = example_paths(regex);
    EXPECT_THAT(paths, Not(IsEmpty())) << pattern;
    for (const std::string& path : paths) {
      EXPECT_TRUE(re2::RE2::FullMatch(path, regex)) << pattern << ": " << path;
      std::string buffer(3 * path.size(), '\0');
      CanonicalTarget target;
      EXPECT_EQ(canonicalize(path, true, buffer, target), TargetError::none) << path;
      EXPECT_EQ(target.path, path) << pattern;
    }
  }
}

// Each of these has to be found, or a rule with that regex would be called undecided.
class ExampleOf : public testing::TestWithParam<const char*> {};

TEST_P(ExampleOf, EachUsualPatternIsFound) {
  EXPECT_THAT(examples(GetParam()), Not(IsEmpty())) << GetParam();
}

INSTANTIATE_TEST_SUITE_P(
    All, ExampleOf,
    testing::Values("/", "/abs", "^/abs$", "/abs(/.*)?", "/abs/.*\\.lsabs", "/abs/[a-z0-9]+",
                    "/[^/]+/handler", "/(?:abs|groupexpansion)/ext/.*", "/(?i)ABS/.*",
                    "/(?P<dir>abs)/(?P<file>.+)", "/f-[0-9a-f]{4}\\.lsabs", "/x{2,3}", "/x{2,}y",
                    "/\\d+/\\w+", "/\\D\\W\\S", "/.+\\.(dat|lsabs|dabs)", "/[[:alpha:]]+", "/a{0}b",
                    "/[]a]+", "/a|/b", "/(a|)b", "/a\\.b\\-c", "/[\\w.-]+@[\\w.-]+", "/.*?x",
                    "/((((a))))", "/~[a-z]+/.*", "/a(;v=\\d+)?/b", ".*", "(/[a-z]+)+", "/[^a-z]",
                    "/\\babs\\b", "/meet/[^/]+/[A-Z0-9]{8}"));

TEST(ExamplePaths, TryEachAlternativeAndWithAndWithoutWhatMayBeLeftOut) {
  EXPECT_THAT(examples("/(abs|conf)/x"), AllOf(Contains("/abs/x"), Contains("/conf/x")));
  EXPECT_THAT(examples("/abs(/x)?"), AllOf(Contains("/abs"), Contains("/abs/x")));
  EXPECT_THAT(examples("/a|/b|/c"), AllOf(Contains("/a"), Contains("/b"), Contains("/c")));
}

TEST(ExamplePaths, AreNotInventedWhereNoPathMatches) {
  for (const char* pattern : {"", "abs", "/a//b", "/a/\\.\\./b", "/a\\s", "/a#b", "/a\\\\b", "/a$b",
                              "/a\\x00", "/[^\\x00-\\x{10FFFF}]"}) {
    EXPECT_THAT(examples(pattern), IsEmpty()) << pattern;
  }
}

TEST(ExamplePaths, OfPatternsWithoutMeasureAreFewAndShort) {
  std::string deep, wide = "/(";
  for (int i = 0; i < 300; ++i) deep += "(?:";
  deep = '/' + deep + 'a';
  for (int i = 0; i < 300; ++i) deep += ')';
  for (int i = 0; i < 1000; ++i) wide += "x" + std::to_string(i) + '|';
  for (const std::string& pattern :
       {deep, wide + "y)", std::string("/((a{1,900}){1,1})"), "/" + std::string(5000, 'a'),
        std::string("/[a-z]{9}[a-z]{9}[a-z]{9}[a-z]{9}(.*)(.*)(.*)")}) {
    const auto paths = examples(pattern);
    EXPECT_LE(paths.size(), 24U);
    for (const std::string& path : paths) EXPECT_LE(path.size(), 512U);
  }
}

}  // namespace
}  // namespace ocsproxy::rules
