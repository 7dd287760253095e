#include "settings/shown_text.h"

#include <gtest/gtest.h>

namespace ocsproxy::settings {
namespace {

using namespace std::string_literals;

TEST(ShownText, PrintableTextIsFoundSo) {
  for (const std::string& text :
       {""s, "plain ~"s, "tab\tand\nlines\r\n"s, "\u00fc \u20ac \U0001f600"s, "\ufeff"s}) {
    EXPECT_EQ(find_unprintable(text), std::string::npos) << text;
  }
}

struct Bad {
  std::string text;
  std::size_t at;
};

TEST(ShownText, TheFirstUnprintableByteIsFound) {
  const std::vector<Bad> rows{
      {"\0"s, 0},
      {"ab\x1b", 2},
      {"a\x7f", 1},
      {"a\rb", 1},
      {"a\r", 1},
      {"\x80", 0},              // a continuation alone
      {"\xc3", 0},              // cut
      {"a\xc3(", 1},            // no continuation
      {"\xc0\xaf", 0},          // overlong
      {"\xe0\x80\xaf", 0},      // overlong
      {"\xf0\x80\x80\xaf", 0},  // overlong
      {"\xed\xa0\x80", 0},      // surrogate
      {"\xf4\x90\x80\x80", 0},  // beyond U+10FFFF
      {"\xf5\x80\x80\x80", 0},
      {"\xc2\x9b[2J", 0},  // U+009B, an 8-bit escape sequence
  };
  for (const Bad& row : rows) EXPECT_EQ(find_unprintable(row.text), row.at) << shown(row.text);
}

TEST(ShownText, IsQuotedAndHarmless) {
  EXPECT_EQ(shown("M\u00fcnchen"), "\"M\u00fcnchen\"");
  EXPECT_EQ(shown("a\nb\x1b\xff\0"s), "\"a\\x0ab\\x1b\\xff\\x00\"");
  EXPECT_EQ(shown(std::string(100, 'x')), '"' + std::string(100, 'x') + '"');
  EXPECT_EQ(shown(std::string(101, 'x')), '"' + std::string(100, 'x') + "...\"");
}

TEST(ShownText, ACutKeepsCharactersWhole) {
  const std::string text = std::string(99, 'x') + "\u20acy";
  EXPECT_EQ(shown(text), '"' + std::string(99, 'x') + "\u20ac...\"");
}

}  // namespace
}  // namespace ocsproxy::settings
