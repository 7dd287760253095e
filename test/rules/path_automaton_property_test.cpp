// The automata against RE2, over generated patterns and texts.
#include <random>
#include <string>

#include <gtest/gtest.h>
#include <re2/re2.h>

#include "base/text.h"
#include "rules/path_automaton.h"
#include "rules/regex_prefix.h"

namespace ocsproxy::rules {
namespace {

#ifdef OCSPROXY_SANITIZED
constexpr int kPatterns = 10'000;
#else
constexpr int kPatterns = 100'000;
#endif
constexpr int kTexts = 20;  // of each

class Generator {
 public:
  explicit Generator(std::mt19937::result_type seed) : random_(seed) {}

  std::string pattern(int depth = 3) {
    std::string text = sequence(depth);
    while (one_in(6)) text += '|' + sequence(depth);
    return text;
  }

  // Of the characters that the patterns have, and some that they exclude.
  std::string text() {
    std::string text;
    for (auto size = random_() % 10; size > 0; --size) text += pick("aAbBcC/.-_19zZ \n\xe4;");
    return text;
  }

 private:
  bool one_in(unsigned n) { return random_() % n == 0; }
  char pick(std::string_view from) { return from[random_() % from.size()]; }

  std::string sequence(int depth) {
    std::string text;
    if (one_in(12)) text += '^';
    for (auto parts = random_() % 4; parts > 0; --parts) text += atom(depth) + repetition();
    if (one_in(12)) text += '$';
    return text;
  }

  std::string atom(int depth) {
    switch (random_() % (depth == 0 ? 6 : 8)) {
      case 0:
      case 1:
        return {pick("abAB/c1_")};
      case 2:
        return ".";
      case 3:
        return std::string("\\") + pick("dDwWsS.-/()[");
      case 4:
      case 5:
        return bracket();
      case 6:
        return '(' + pattern(depth - 1) + ')';
      default:
        return "(?:" + pattern(depth - 1) + ')';
    }
  }

  std::string bracket() {
    std::string text = one_in(3) ? "[^" : "[";
    for (auto parts = 1 + random_() % 3; parts > 0; --parts) {
      static constexpr std::string_view kParts[] = {"a",   "B",   "/",   ".",   "-",   "]",   "a-c",
                                                    "A-Z", "0-9", "\\d", "\\W", "\\-", "\\]", "!-a",
                                                    "^",   "_",   "(",   "|",   "$"};
      text += kParts[random_() % std::size(kParts)];
    }
    return text + ']';
  }

  std::string repetition() {
    static constexpr std::string_view kSome[] = {"*",   "+",     "?",    "*?",
                                                 "{2}", "{1,2}", "{2,}", "{0,2}"};
    return one_in(2) ? std::string(kSome[random_() % std::size(kSome)]) : std::string();
  }

  std::mt19937 random_;
};

re2::RE2::Options options() {
  re2::RE2::Options options;
  options.set_case_sensitive(false);
  options.set_encoding(re2::RE2::Options::EncodingLatin1);
  options.set_log_errors(false);
  return options;
}

bool re2_matches(const re2::RE2& regex, std::string_view text) {
  return re2::RE2::FullMatch(re2::StringPiece(text.data(), text.size()), regex);
}

TEST(PathAutomatonProperty, MatchesWhatRe2MatchesWhereItUnderstandsThePattern) {
  Generator generate(65);
  int understood = 0, matched = 0;
  for (int i = 0; i < kPatterns; ++i) {
    const std::string pattern = generate.pattern();
    const re2::RE2 regex(pattern, options());
    if (!regex.ok()) continue;
    const auto read = read_path_automaton(pattern);
    if (!read) continue;
    ++understood;
    PathAutomata automata;
    const std::uint32_t number = PathAutomataBuilder(automata).add(*read).value();
    for (int k = 0; k < kTexts; ++k) {
      const std::string text = generate.text();
      const bool expected = re2_matches(regex, text);
      matched += expected ? 1 : 0;
      ASSERT_EQ(automata.matches(number, text), expected) << pattern << "\n" << text;
    }
  }
  // Most are understood, and both answers come often.
  EXPECT_GT(understood, kPatterns / 2);
  EXPECT_GT(matched, kPatterns / 2);
}

TEST(PathAutomatonProperty, MatchesAsBeforeWithItsSuffixTakenOff) {
  Generator generate(67);
  int matched = 0;
  for (int i = 0; i < kPatterns; ++i) {
    const std::string pattern = generate.pattern() + generate.text();
    const re2::RE2 regex(pattern, options());
    if (!regex.ok()) continue;
    auto read = read_path_automaton(pattern);
    if (!read) continue;
    const std::string suffix = take_literal_suffix(*read);
    if (suffix.empty()) continue;
    PathAutomata automata;
    const std::uint32_t number = PathAutomataBuilder(automata).add(*read).value();
    for (int k = 0; k < kTexts; ++k) {
      const std::string text = generate.text();
      const bool expected = re2_matches(regex, text + suffix);
      matched += expected ? 1 : 0;
      ASSERT_EQ(automata.matches(number, text), expected) << pattern << "\n" << text + suffix;
      if (lower(text).ends_with(suffix)) continue;
      ASSERT_FALSE(re2_matches(regex, text)) << pattern << "\n" << text;
    }
  }
  EXPECT_GT(matched, kPatterns / 10);
}

TEST(SplitPatternProperty, WhatMatchesBeginsWithTheLiteralAndTheRestMatchesWhatFollows) {
  Generator generate(66);
  int matched = 0;
  for (int i = 0; i < kPatterns; ++i) {
    const std::string pattern = "/a" + generate.pattern(2);
    const re2::RE2 regex(pattern, options());
    if (!regex.ok()) continue;
    const SplitPattern split = split_pattern(pattern);
    const re2::RE2 rest(re2::StringPiece(split.rest.data(), split.rest.size()), options());
    ASSERT_TRUE(rest.ok()) << pattern;
    for (int k = 0; k < kTexts; ++k) {
      const std::string text = "/A" + generate.text();
      if (!re2_matches(regex, text)) continue;
      ++matched;
      const std::size_t size = split.literal.size();
      ASSERT_LE(size, text.size()) << pattern << "\n" << text;
      ASSERT_EQ(lower(text.substr(0, size)), split.literal) << pattern << "\n" << text;
      ASSERT_TRUE(re2_matches(rest, std::string_view(text).substr(size))) << pattern << "\n"
                                                                          << text;
    }
  }
  EXPECT_GT(matched, kPatterns / 10);
}

}  // namespace
}  // namespace ocsproxy::rules
