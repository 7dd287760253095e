#include "proxy/process_load.h"

#include <gtest/gtest.h>

namespace ocsproxy {
namespace {

constexpr std::uint64_t kMega = 1 << 20;

struct Row {
  std::uint64_t clients, upstreams, memory;
  LoadLevel level;
  bool starving;
};

// 100 connections, 200 descriptors of which 10 are taken by other things, 1000 MiB.
class Load : public testing::Test {
 protected:
  Load() {
    load_.watch(first_);
    load_.watch(second_);
    load_.set_other_descriptors(10);
    load_.set_budget({100, 200, 1000 * kMega});
  }
  void use(const Row& row) {
    // Both workers have a part of it.
    first_.open_connections.add(row.clients / 2);
    second_.open_connections.add(row.clients - row.clients / 2);
    second_.open_upstreams.add(row.upstreams);
    load_.set_memory(row.memory * kMega);
  }

  Counters first_, second_;
  ProcessLoad load_;
};

class LevelOf : public Load, public testing::WithParamInterface<Row> {};

TEST_P(LevelOf, IsThatOfTheScarcestResource) {
  use(GetParam());
  EXPECT_EQ(load_.level(), GetParam().level);
  EXPECT_EQ(load_.starving(), GetParam().starving);
}

INSTANTIATE_TEST_SUITE_P(
    All, LevelOf,
    testing::Values(
        Row{0, 0, 0, LoadLevel::normal, false}, Row{79, 0, 0, LoadLevel::normal, false},
        Row{80, 0, 0, LoadLevel::closing, false}, Row{89, 0, 0, LoadLevel::closing, false},
        Row{90, 0, 0, LoadLevel::shedding, false}, Row{96, 0, 0, LoadLevel::shedding, false},
        Row{97, 0, 0, LoadLevel::refusing, false}, Row{50, 99, 0, LoadLevel::normal, false},
        Row{50, 100, 0, LoadLevel::closing, false}, Row{50, 120, 0, LoadLevel::shedding, false},
        Row{50, 134, 0, LoadLevel::refusing, false}, Row{0, 0, 799, LoadLevel::normal, false},
        Row{0, 0, 800, LoadLevel::closing, false}, Row{0, 0, 900, LoadLevel::shedding, false},
        Row{0, 0, 969, LoadLevel::shedding, false}, Row{0, 0, 970, LoadLevel::refusing, true},
        Row{97, 0, 10, LoadLevel::refusing, false},
        Row{100, 300, 3000, LoadLevel::refusing, true}));

TEST_F(Load, WithoutABudgetIsNeverTooMuch) {
  load_.set_budget({0, 0, 0});
  use({.clients = 1'000'000, .upstreams = 9, .memory = 9, .level = {}, .starving = false});
  EXPECT_EQ(load_.level(), LoadLevel::normal);
}

TEST_F(Load, IsDescribedByTheScarcestResourceAndTheSettingBehindIt) {
  use({.clients = 50, .upstreams = 130, .memory = 800, .level = {}, .starving = false});
  EXPECT_EQ(load_.describe(),
            "190 of 200 descriptors are in use (LimitNOFILE= in the unit, or ulimit -n)");
  load_.set_memory(990 * kMega);
  EXPECT_EQ(load_.describe(),
            "990 of 1000 MiB of memory are in use (limits.memory at the top of the configuration, "
            "or more memory)");
}

TEST_F(Load, RemembersTheHighestLevelUntilItIsAskedFor) {
  load_.saw(LoadLevel::closing);
  load_.saw(LoadLevel::refusing);
  load_.saw(LoadLevel::shedding);
  EXPECT_EQ(load_.take_peak(), LoadLevel::refusing);
  EXPECT_EQ(load_.take_peak(), LoadLevel::normal);
}

TEST(Machine, SaysHowMuchThereIsAndHowMuchIsInUse) {
  EXPECT_GT(available_memory(), resident_memory());
  EXPECT_GT(resident_memory(), 100'000U);
  EXPECT_GT(open_descriptors(), 2U);
  EXPECT_TRUE(descriptor_limit() == 0 || descriptor_limit() >= open_descriptors());
}

}  // namespace
}  // namespace ocsproxy
