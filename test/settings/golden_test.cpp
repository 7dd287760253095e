// Each file of golden/ is a case: a configuration, and all that loading it must say.
// OCSPROXY_REWRITE_GOLDEN=1 writes what is said now into the files, to be reviewed as a diff.
#include <cstdlib>

#include <gtest/gtest.h>

#include "golden_file.h"

namespace ocsproxy::settings {
namespace {

class Golden : public testing::TestWithParam<std::string> {};

TEST_P(Golden, LoadsAsExpected) {
  const GoldenFile golden = read_golden(GetParam());
  const Loaded loaded = load_conf(golden.files);
  const std::string now = outcome(loaded);
  if (std::getenv("OCSPROXY_REWRITE_GOLDEN") != nullptr) {
    rewrite_golden(golden, now);
  } else {
    EXPECT_EQ(now, golden.expected);
  }
  const bool good = GetParam().starts_with("good_");
  EXPECT_EQ(loaded.findings.has_errors(), !good) << "the name says whether there are errors";
}

INSTANTIATE_TEST_SUITE_P(All, Golden, testing::ValuesIn(golden_names()),
                         [](const auto& one) { return one.param; });

TEST(Golden, EachCaseHasItsOwnInput) {
  std::map<std::string, std::string> first;
  for (const std::string& name : golden_names()) {
    const auto [known, is_new] = first.emplace(read_golden(name).input, name);
    EXPECT_TRUE(is_new) << name << " says the same as " << known->second;
  }
  EXPECT_GE(first.size(), 75U);
}

}  // namespace
}  // namespace ocsproxy::settings
