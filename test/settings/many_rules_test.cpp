// Large configurations: what is counted here grows with the configuration and not faster.
#include <gtest/gtest.h>

#include "golden_file.h"
#include "settings/yaml_reader.h"

namespace ocsproxy::settings {
namespace {

constexpr std::size_t kRules = 100'000;

std::string listeners(std::size_t count) {
  std::string text = "trusted_roots: [certs/root.pem]\nlisteners:\n";
  for (std::size_t i = 0; i < count; ++i) {
    text += "  - {name: Web " + std::to_string(i) + ", networks: [External], addresses: [10.0." +
            std::to_string(i / 250) + '.' + std::to_string(i % 250) + "], http: {port: 80}}\n";
  }
  return text;
}

std::string rules(std::size_t count, std::string_view listener) {
  std::string text = "rules:\n";
  for (std::size_t i = 0; i < count; ++i) {
    const std::string number = std::to_string(i);
    text.append("  - name: Rule ").append(number).append("\n    action: allow\n    listener: ");
    text.append(listener).append(listener.ends_with(' ') ? number : "");
    text.append("\n    from: [External, 10.1.0.0/16]\n    public_names: [w").append(number);
    text.append(".example.com]\n    paths: [/app").append(number);
    text.append("/*]\n    to: {site: pool").append(number).append(".example.local}\n");
  }
  return text;
}

TEST(ManyRules, LoadOneAfterTheOther) {
  const Loaded loaded = load_text(listeners(1) + rules(kRules, "Web 0"));
  EXPECT_EQ(render(loaded.findings, loaded.sources), "");
  ASSERT_EQ(loaded.settings.rules.size(), kRules);
  EXPECT_EQ(*loaded.settings.rules.back().public_names[0], "w99999.example.com");
}

// Suggestions are a search through all names; they may not be one for each error.
TEST(ManyRules, WithAnErrorEachAreAllReported) {
  const Loaded loaded = load_text(listeners(500) + rules(20'000, "Wob "));
  EXPECT_EQ(loaded.findings.count(Severity::error), 20'000U);
  std::size_t suggestions = 0;
  for (const Finding& finding : loaded.findings.all()) suggestions += finding.mend.empty() ? 0 : 1;
  EXPECT_GT(suggestions, 0U);
  EXPECT_LE(suggestions, 100U);
}

TEST(ManyRanges, ThatOverlapAreReportedOnceEach) {
  std::string text = "networks:\n  A: [10.0.0.0/8]\n  B:\n";
  for (int i = 0; i < 50'000; ++i) {
    text += "    - 10.0." + std::to_string(i / 250) + '.' + std::to_string(i % 250) + '\n';
  }
  const Loaded loaded = load_text(text);
  std::size_t overlaps = 0;
  for (const Finding& finding : loaded.findings.all()) {
    overlaps += finding.code == "networks-overlap" ? 1 : 0;
  }
  EXPECT_EQ(overlaps, 50'000U);
}

// Counts what a handler holds at once.
class Counter : public EntryHandler {
 public:
  bool wants_elements(std::string_view key) const override { return key == "rules"; }
  void on_entry(const Located<std::string>&, const Node&) override { ++entries; }
  void on_element(const Located<std::string>&, const Node& element) override {
    ++elements;
    largest = std::max(largest, nodes(element));
  }
  static std::size_t nodes(const Node& node) {
    std::size_t sum = 1;
    for (const Node& item : node.items) sum += nodes(item);
    return sum;
  }
  std::size_t entries = 0;
  std::size_t elements = 0;
  std::size_t largest = 0;
};

TEST(ManyRules, AreNeverInMemoryTogether) {
  Counter counter;
  Findings findings;
  EXPECT_TRUE(read_yaml(rules(1000, "Web"), 0, counter, findings));
  EXPECT_EQ(counter.elements, 1000U);
  EXPECT_EQ(counter.entries, 0U);
  EXPECT_LE(counter.largest, 16U);
}

}  // namespace
}  // namespace ocsproxy::settings
