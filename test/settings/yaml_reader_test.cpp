// How a file comes apart; what is wrong with files is in the golden cases.
#include "settings/yaml_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ocsproxy::settings {
namespace {

using testing::ElementsAre;

std::string text_of(const Node& node) {
  std::string text;
  switch (node.kind) {
    case Node::Kind::null:
      return "~";
    case Node::Kind::broken:
      return "broken";
    case Node::Kind::scalar:
      return node.quoted ? '"' + node.text + '"' : node.text;
    case Node::Kind::sequence:
      for (const Node& item : node.items) text += (text.empty() ? "" : " ") + text_of(item);
      return '[' + text + ']';
    case Node::Kind::map:
      for (std::size_t i = 0; i < node.keys.size(); ++i) {
        text += (text.empty() ? "" : " ") + *node.keys[i] + '=' + text_of(node.items[i]);
      }
      return '{' + text + '}';
  }
  return {};
}

class Recorder : public EntryHandler {
 public:
  bool wants_elements(std::string_view key) const override { return key == "list"; }
  void on_entry(const Located<std::string>& key, const Node& value) override {
    seen.push_back(*key + ": " + text_of(value));
  }
  void on_element(const Located<std::string>& key, const Node& element) override {
    seen.push_back(*key + " - " + text_of(element));
  }
  std::vector<std::string> seen;
};

std::vector<std::string> read(const std::string& text, std::vector<std::string>* codes = nullptr) {
  Recorder recorder;
  Findings findings;
  if (!read_yaml(text, 0, recorder, findings)) recorder.seen.emplace_back("not to the end");
  for (const Finding& finding : findings.all()) {
    if (codes != nullptr) codes->emplace_back(finding.code);
  }
  return recorder.seen;
}

TEST(YamlReader, EntriesComeWholeAndElementsOneByOne) {
  EXPECT_THAT(read("a: [1, {b: c}]\nlist: [x, [y], {z: w}]\nd: {e: ~}\n"),
              ElementsAre("a: [1 {b=c}]", "list - x", "list - [y]", "list - {z=w}", "d: {e=~}"));
}

TEST(YamlReader, AListThatIsNoneOrEmptyIsAnEntry) {
  EXPECT_THAT(read("list: []"), ElementsAre("list: []"));
  EXPECT_THAT(read("list: x"), ElementsAre("list: x"));
  EXPECT_THAT(read("list:"), ElementsAre("list: ~"));
}

TEST(YamlReader, OnlyTheListAtTheTopIsTakenApart) {
  EXPECT_THAT(read("a: {list: [1, 2]}"), ElementsAre("a: {list=[1 2]}"));
}

TEST(YamlReader, TheFirstOfTwoKeysCounts) {
  std::vector<std::string> codes;
  EXPECT_THAT(read("a: {k: 1, l: 2, k: 3, k: 4}\na: 5\nb: 6", &codes),
              ElementsAre("a: {k=1 l=2}", "b: 6"));
  EXPECT_THAT(codes, ElementsAre("duplicate-key", "duplicate-key", "duplicate-key"));
}

TEST(YamlReader, ASecondListOfTheSameKeyIsDropped) {
  std::vector<std::string> codes;
  EXPECT_THAT(read("list: [1]\nlist: [2, 3]\nb: 6", &codes), ElementsAre("list - 1", "b: 6"));
  EXPECT_THAT(codes, ElementsAre("duplicate-key"));
}

TEST(YamlReader, WhatStandsBeforeABreakIsDelivered) {
  std::vector<std::string> codes;
  EXPECT_THAT(read("a: 1\nlist:\n  - x\n  - [y\nb: 2\n", &codes),
              ElementsAre("a: 1", "list - x", "not to the end"));
  EXPECT_THAT(codes, ElementsAre("yaml-syntax"));
}

TEST(YamlReader, QuotesAreToldFromPlainText) {
  EXPECT_THAT(read("a: ['1', \"2\", 3, 'it''s', \"\\\"\"]"),
              ElementsAre("a: [\"1\" \"2\" 3 \"it's\" \"\"\"]"));
}

TEST(YamlReader, AQuoteThatEndsWithTheFileIsFine) {
  for (const char* text : {"a: 'x'", "a: \"x\\\\\"", "a: 'x'''", "a: \"\u00fc\"  # '\n"}) {
    std::vector<std::string> codes;
    read(text, &codes);
    EXPECT_THAT(codes, ElementsAre()) << text;
  }
}

TEST(YamlReader, AQuoteThatTheFileEndsIsNot) {
  for (const char* text : {"a: 'x\n", "a: 'x''\n", "a: \"x\\\"\n", "\u00fc: \"x\nb: c\n"}) {
    std::vector<std::string> codes;
    EXPECT_THAT(read(text, &codes), testing::Contains("not to the end")) << text;
    EXPECT_THAT(codes, ElementsAre("yaml-syntax")) << text;
  }
}

TEST(YamlReader, AliasesAreReportedInPlace) {
  std::vector<std::string> codes;
  EXPECT_THAT(read("a: &x [1]\nb: *x\nc: {d: *x, *x : 1}\n", &codes),
              ElementsAre("a: [1]", "b: broken", "c: {d=broken}"));
  EXPECT_THAT(codes, ElementsAre("yaml-alias", "yaml-alias", "yaml-alias"));
}

}  // namespace
}  // namespace ocsproxy::settings
