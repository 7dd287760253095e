#include "rules/signature_set.h"

#include "counted_new.h"

namespace ocsproxy::rules {
namespace {

using Outcome = SignatureSet::Outcome;

SignatureSet set_of(std::initializer_list<const char*> patterns) {
  SignatureSet set;
  for (const char* pattern : patterns) set.add(pattern);
  EXPECT_TRUE(set.compile());
  return set;
}

TEST(SignatureSet, WithoutSignaturesFindsNothing) {
  SignatureSet set;
  EXPECT_TRUE(set.empty());
  EXPECT_TRUE(set.compile());
  EXPECT_EQ(set.look("anything"), Outcome::none);
}

TEST(SignatureSet, TellsWhichAreFound) {
  const SignatureSet set = set_of({"abc", "x|y", "^z$"});
  std::vector<int> found{7};
  EXPECT_EQ(set.look("a\nz\nABC", found), Outcome::found);
  EXPECT_THAT(found, testing::UnorderedElementsAre(0, 2));
  EXPECT_EQ(set.look("nothing", found), Outcome::none);
  EXPECT_THAT(found, testing::IsEmpty());
}

// \Q without \E quotes to the end of the pattern, and not what we put behind it.
TEST(SignatureSet, TakesAPatternAsItIs) {
  const SignatureSet set = set_of({"\\Qa.b", "c|d"});
  EXPECT_EQ(set.look("a.b"), Outcome::found);
  EXPECT_EQ(set.look("axb"), Outcome::none);
  EXPECT_EQ(set.look("d"), Outcome::found);
}

// Whatever the memory, a set that says that it is usable is.
TEST(SignatureSet, WithTooLittleMemoryDoesNotCompile) {
  int usable = 0, refused = 0;
  for (std::int64_t memory = 1024; memory < 200'000; memory += 1024) {
    SignatureSet set(memory);
    set.add("(a|b|c|d)[0-9]{1,40}x");
    if (!set.compile()) {
      ++refused;
      continue;
    }
    ++usable;
    EXPECT_EQ(set.look("a1x"), Outcome::found) << memory;
  }
  EXPECT_GT(refused, 0);
  EXPECT_GT(usable, 0);
}

TEST(SignatureSet, LooksWithoutAllocatingOnceItIsWarm) {
  const SignatureSet set = set_of({"evil[0-9]+", "bad"});
  const std::string text = "GET /some/url?with=values evilness";
  EXPECT_EQ(set.look(text), Outcome::none);
  const int before = allocations();
  EXPECT_EQ(set.look(text), Outcome::none);
  EXPECT_EQ(allocations(), before);
}

struct FaultRow {
  const char* pattern;
  const char* fragment;  // null: no fault
};

class Fault : public testing::TestWithParam<FaultRow> {};

TEST_P(Fault, OfAPatternForHeadsIsNamedByItsPart) {
  const auto fault = SignatureSet::fault_of(GetParam().pattern, true);
  ASSERT_EQ(fault.has_value(), GetParam().fragment != nullptr) << GetParam().pattern;
  if (fault) {
    EXPECT_EQ(fault->fragment, GetParam().fragment);
  }
}

INSTANTIATE_TEST_SUITE_P(All, Fault,
                         testing::Values(FaultRow{"a(b", "a(b"}, FaultRow{"a(?=b)", "(?="},
                                         FaultRow{"\\Aa", "\\A"}, FaultRow{"a\\z", "\\z"},
                                         FaultRow{"\\\\A", nullptr}, FaultRow{"\\\\\\A", "\\A"},
                                         FaultRow{"(?-m)^a", "(?-m"},
                                         FaultRow{"(?i-sm:^a)", "(?i-sm"},
                                         FaultRow{"(?i-s:^a)", nullptr}, FaultRow{"^a$", nullptr},
                                         FaultRow{"\\Q\\A", "\\A"}));

TEST(SignatureSet, OfBodiesMayHaveTheEndsOfTheText) {
  EXPECT_FALSE(SignatureSet::fault_of("\\Aa\\z", false));
  const SignatureSet set = set_of({"\\AMZ"});
  EXPECT_EQ(set.look("MZ"), Outcome::found);
  EXPECT_EQ(set.look("a\nMZ"), Outcome::none);
}

}  // namespace
}  // namespace ocsproxy::rules
