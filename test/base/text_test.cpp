#include "base/text.h"

#include <algorithm>
#include <string>

#include <gtest/gtest.h>

namespace ocsproxy {
namespace {

bool slow_iequals(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return to_lower(x) == to_lower(y); });
}

bool slow_is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte < 0x20 && byte != '\t') || byte == 0x7f;
}

// Words are compared at once: each byte at each place of texts of each length.
TEST(Text, EqualWithoutCaseMeansThatOfAsciiLettersAndNothingElse) {
  for (std::size_t size = 0; size <= 20; ++size) {
    for (std::size_t at = 0; at < size; ++at) {
      for (int byte = 0; byte < 256; ++byte) {
        std::string a(size, 'q'), b(size, 'Q');
        a[at] = static_cast<char>(byte);
        for (const int other : {byte, byte ^ 0x20, byte ^ 0x80, byte ^ 1, 255 - byte}) {
          b[at] = static_cast<char>(other);
          ASSERT_EQ(iequals(a, b), slow_iequals(a, b)) << size << ' ' << at << ' ' << byte;
        }
      }
    }
  }
  EXPECT_FALSE(iequals("abc", "abcd"));
}

TEST(Text, ControlCharactersAreFoundWhereverTheyStand) {
  for (std::size_t size = 0; size <= 40; ++size) {
    EXPECT_FALSE(has_control(std::string(size, '\t')));
    EXPECT_EQ(find_control(std::string(size, ' '), 0), size);
    for (std::size_t at = 0; at < size; ++at) {
      for (int byte = 0; byte < 256; ++byte) {
        std::string text(size, 'x');
        if (at > 0) text[at - 1] = '\t';
        text[at] = static_cast<char>(byte);
        const bool control = slow_is_control(text[at]);
        ASSERT_EQ(has_control(text), control) << size << ' ' << at << ' ' << byte;
        ASSERT_EQ(find_control(text, 0), control ? at : size) << size << ' ' << at << ' ' << byte;
        ASSERT_EQ(find_control(text, at + 1), size);
      }
    }
  }
}

TEST(Text, TokenCharactersAreThoseOfRfc9110) {
  std::string found;
  for (int c = 0; c < 256; ++c) {
    if (is_token_char(static_cast<unsigned char>(c))) found += static_cast<char>(c);
  }
  EXPECT_EQ(found, "!#$%&'*+-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ^_`abcdefghijklmnopqrstuvwxyz|~");
  EXPECT_FALSE(is_token(""));
  EXPECT_FALSE(is_token("a b"));
  EXPECT_TRUE(is_token("X-Field"));
}

TEST(Text, TheNearestWordIsNearEnoughOrNone) {
  const std::string_view known[] = {"listener", "listeners", "rules", "networks"};
  EXPECT_EQ(nearest_word("listner", known), "listener");
  EXPECT_EQ(nearest_word("ruels", known), "rules");
  EXPECT_EQ(nearest_word("completely", known), "");
  EXPECT_EQ(edit_distance("ab", "ba"), 1U);
  EXPECT_EQ(edit_distance("", "abc"), 3U);
}

TEST(Text, WhatAPeerSentIsEscapedAndCut) {
  EXPECT_EQ(escaped("a\r\n\"\\\x7f\xc3\xa4"), "a\\x0d\\x0a\\x22\\x5c\\x7f\\xc3\\xa4");
  EXPECT_EQ(escaped("abcdef", 3), "abc...");
}

}  // namespace
}  // namespace ocsproxy
