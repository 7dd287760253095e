// The kept inputs of every fuzz target, as a plain test: what was once found stays found.
#include <filesystem>
#include <fstream>
#include <iterator>

#include "test/fuzz/targets.h"
#include "test/source_path.h"

namespace ocsproxy::fuzz {
namespace {

std::size_t run_corpus(const std::string& name, void (*target)(std::string_view)) {
  std::size_t inputs = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(test::source_path("test/fuzz/corpus/" + name))) {
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string input{std::istreambuf_iterator<char>(file), {}};
    SCOPED_TRACE(entry.path().filename().string());
    target(input);
    ++inputs;
  }
  return inputs;
}

TEST(Corpus, EveryPropertyHoldsForAccessLogs) {
  EXPECT_GT(run_corpus("access_log", access_log), 10U);
}
TEST(Corpus, EveryPropertyHoldsForRequestHeads) {
  EXPECT_GT(run_corpus("request_head", request_head), 10U);
}
TEST(Corpus, EveryPropertyHoldsForResponseHeads) {
  EXPECT_GT(run_corpus("response_head", response_head), 10U);
}
TEST(Corpus, EveryPropertyHoldsForChunkedBodies) { EXPECT_GT(run_corpus("chunked", chunked), 10U); }
TEST(Corpus, EveryPropertyHoldsForTargets) {
  EXPECT_GT(run_corpus("canonical_target", canonical_target), 10U);
}
TEST(Corpus, EveryPropertyHoldsForConfigurations) {
  EXPECT_GT(run_corpus("configuration", configuration), 5U);
}
TEST(Corpus, EveryPropertyHoldsForExchanges) { EXPECT_GT(run_corpus("exchange", exchange), 10U); }
TEST(Corpus, EveryPropertyHoldsForLogLines) { EXPECT_GT(run_corpus("log_lines", log_lines), 5U); }
TEST(Corpus, TheRuleTableDecidesAsTheOracle) {
  EXPECT_GT(run_corpus("rule_table", rule_table), 5U);
}

TEST(Corpus, EveryPropertyHoldsForHttpFilters) {
  EXPECT_GT(run_corpus("http_filter", http_filter), 10U);
}

}  // namespace
}  // namespace ocsproxy::fuzz
