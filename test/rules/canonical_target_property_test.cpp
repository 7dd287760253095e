// canonicalize against the slow oracle, over targets made of the pieces that attacks are made of.
#include <array>
#include <random>

#include "base/text.h"
#include "rules/canonical_target.h"
#include "target_oracle.h"

namespace ocsproxy::rules {
namespace {

#ifdef OCSPROXY_SANITIZED
constexpr int kTargets = 100'000;
#else
constexpr int kTargets = 1'000'000;
#endif

// Mostly harmless pieces, so that most targets live long enough for the rest to matter.
constexpr std::array<std::string_view, 72> kPieces = {
    "/", "/",   "/",   "/",    "/",    "/",    "/",      "/",      "//",  "a",   "a",    "a",
    "b", "A",   "F",   "0",    "25",   "2e",   "41",     "%41",    "%61", "%7e", "%2d",  ".",
    ".", "..",  "..",  "/../", "/./",  "%2e",  "%2E",    "/%2e",   "...", ";",   ";x=1", "%3b",
    ":", "$",   "%3a", "%24",  "@",    "%40",  "?",      "?",      "%3F", "%3c", "%5B",  "|",
    "[", "%25", "%20", "%20a", "%2f",  "%5c",  "%00",    "%0a",    "%7f", "%",   "%4",   "%zz",
    "#", " ",   "\\",  "\x01", "\x7f", "\x80", "%c3%a4", "%c0%ae", "%ff", "\"",  "^",    "&"};

std::string random_target(std::mt19937& random) {
  std::string target = "/";
  const auto pieces = random() % 12;
  for (unsigned i = 0; i < pieces; ++i) {
    // The last 22 pieces are refused wherever they stand in a path: rarely.
    const std::size_t choices = random() % 16 == 0 ? kPieces.size() : kPieces.size() - 20;
    target += kPieces[random() % choices];
  }
  return target;
}

TEST(CanonicalTargetProperty, AgreesWithTheOracleAndIsItsOwnCanonicalForm) {
  std::mt19937 random(20090131);
  int accepted = 0;
  for (int i = 0; i < kTargets; ++i) {
    const std::string target = random_target(random);
    const auto expected = oracle_canonicalize(target);
    std::vector<char> buffer(target.size() * 3);
    CanonicalTarget result;
    const TargetError error = canonicalize(target, true, buffer, result);
    ASSERT_EQ(error == TargetError::none, expected.has_value())
        << escaped(target) << ": " << describe(error);
    if (!expected) continue;
    ++accepted;
    ASSERT_EQ(result.path, expected->path) << escaped(target);
    ASSERT_EQ(result.query, expected->query) << escaped(target);
    ASSERT_EQ(result.double_encoded, expected->double_encoded) << escaped(target);
    ASSERT_EQ(result.high_bit, expected->high_bit) << escaped(target);

    const std::string again = std::string(result.path) + std::string(result.query);
    std::vector<char> second_buffer(again.size() * 3);
    CanonicalTarget second;
    ASSERT_EQ(canonicalize(again, true, second_buffer, second), TargetError::none)
        << escaped(target) << " became " << escaped(again);
    ASSERT_EQ(second.path, result.path) << escaped(target);
    ASSERT_EQ(second.query, result.query) << escaped(target);
    // Who judges it next may see less of what was sent, never more.
    ASSERT_LE(second.double_encoded, result.double_encoded) << escaped(target);
    ASSERT_LE(second.high_bit, result.high_bit) << escaped(target);
  }
  // Both answers have to be frequent, or the comparison says little.
  EXPECT_GT(accepted, kTargets / 5);
  EXPECT_LT(accepted, kTargets / 5 * 4);
}

TEST(CanonicalTargetProperty, ArbitraryBytesAgreeWithTheOracleToo) {
  std::mt19937 random(2007);
  for (int i = 0; i < kTargets / 4; ++i) {
    std::string target = "/";
    const auto size = random() % 8;
    for (unsigned k = 0; k < size; ++k) {
      target += static_cast<char>(random() % 4 == 0 ? random() % 256 : 0x20 + random() % 0x60);
    }
    const auto expected = oracle_canonicalize(target);
    std::vector<char> buffer(target.size() * 3);
    CanonicalTarget result;
    const TargetError error = canonicalize(target, true, buffer, result);
    ASSERT_EQ(error == TargetError::none, expected.has_value()) << escaped(target);
    if (expected) {
      ASSERT_EQ(result.path, expected->path) << escaped(target);
      ASSERT_EQ(result.high_bit, expected->high_bit) << escaped(target);
    }
  }
}

}  // namespace
}  // namespace ocsproxy::rules
