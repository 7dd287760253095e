#include "base/json.h"

#include <gtest/gtest.h>

namespace ocsproxy {
namespace {

TEST(Json, NestsWithCommasAndIndentation) {
  JsonWriter json;
  json.begin_object().field("a", 1).key("b").begin_array().text("x").boolean(true).end_array();
  json.key("none").begin_array().end_array().key("c").begin_object().field("d", "e").end_object();
  EXPECT_EQ(json.end_object().take(),
            "{\n  \"a\": 1,\n  \"b\": [\n    \"x\",\n    true\n  ],\n  \"none\": [],\n"
            "  \"c\": {\n    \"d\": \"e\"\n  }\n}\n");
}

TEST(Json, EscapesWhatWouldEndOrBreakAString) {
  JsonWriter json;
  EXPECT_EQ(json.text(std::string_view("\"\\\n\t\x1b\x7f\0ä", 9)).take(),
            "\"\\\"\\\\\\n\\u0009\\u001b\\u007f\\u0000ä\"\n");
}

TEST(Json, ReplacesBytesThatAreNoUtf8) {
  struct {
    const char* bytes;
    const char* written;
  } const rows[] = {
      {"a\x80z", "a\ufffdz"},                  // begins with a continuation
      {"\xc3", "\ufffd"},                      // cut off
      {"\xc0\xaf", "\ufffd\ufffd"},            // overlong
      {"\xed\xa0\x80", "\ufffd\ufffd\ufffd"},  // a surrogate
      {"\xf4\x90\x80\x80", "\ufffd\ufffd\ufffd\ufffd"},
      {"\xf0\x9f\x94\x92", "\xf0\x9f\x94\x92"},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(JsonWriter().text(row.bytes).take(), '"' + std::string(row.written) + "\"\n");
  }
}

}  // namespace
}  // namespace ocsproxy
