#include "proxy/flood_table.h"

#include <array>
#include <atomic>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace ocsproxy {
namespace {

using std::chrono::milliseconds;

constexpr HashKey kKey{0x1234, 0x5678};
constexpr std::uint32_t kMany = 1000;

IpAddress address(std::string_view text) { return IpAddress::parse(text).value(); }
IpAddress numbered(std::uint32_t number) { return IpAddress::from_v4(0x0a000000 + number); }

// A table of one set, so that kWays addresses fill it.
class OneSet : public testing::Test {
 protected:
  FloodHold enter(const IpAddress& client, std::uint32_t minute = 1) {
    FloodTable::Entered entered = table_.enter(client, minute, kMany);
    evictions_ += entered.evicted ? 1 : 0;
    return std::move(entered.hold);
  }
  // Leaves a trace of `count` requests in that minute, and goes.
  void visit(const IpAddress& client, std::uint32_t minute, std::uint32_t count) {
    FloodHold hold = enter(client, minute);
    for (std::uint32_t i = 0; i < count; ++i)
      (void)hold.count(FloodLimit::requests_per_minute, minute, kMany);
  }
  // Is what it did in that minute still known?
  bool remembers(const IpAddress& client, std::uint32_t minute) {
    const int before = evictions_;
    const FloodHold hold = enter(client, minute);
    return evictions_ == before && hold.reached(FloodLimit::requests_per_minute, minute, 1);
  }

  FloodTable table_{kKey, 1};
  int evictions_ = 0;
};

// ---- what counts as one address

TEST(FloodAddress, IsAnIpv4AddressOrAnIpv6Network) {
  EXPECT_EQ(flood_address(address("192.0.2.7")).to_string(), "192.0.2.7");
  EXPECT_EQ(flood_address(address("2001:db8:1:2:3:4:5:6")).to_string(), "2001:db8:1:2::/64");
}

struct Pair {
  std::string_view first, second;
  bool together;
};

TEST(FloodTable, CountsTheAddressesOfAnIpv6NetworkTogetherAndOthersApart) {
  for (const Pair& pair :
       {Pair{"2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true},
        Pair{"2001:db8:1:2::1", "2001:db8:1:3::1", false}, Pair{"192.0.2.1", "192.0.2.2", false},
        Pair{"192.0.2.1", "::c000:201", false}, Pair{"0.0.0.0", "::1", false},
        Pair{"::1", "::2", true}}) {
    FloodTable table(kKey);
    const FloodTable::Entered one = table.enter(address(pair.first), 1, kMany);
    EXPECT_EQ(table.connections(address(pair.second)), pair.together ? 1U : 0U)
        << pair.first << ' ' << pair.second;
  }
}

// ---- connections

TEST(FloodTable, LetsInAsManyConnectionsAsTheLimitAndAgainOnesWhenSomeHaveEnded) {
  FloodTable table(kKey);
  std::vector<FloodHold> open;
  for (int i = 0; i < 3; ++i) {
    FloodTable::Entered entered = table.enter(numbered(1), 1, 3);
    ASSERT_TRUE(entered.hold);
    open.push_back(std::move(entered.hold));
  }
  EXPECT_TRUE(table.enter(numbered(1), 1, 3).full);
  EXPECT_TRUE(table.enter(numbered(2), 1, 3).hold) << "another address has its own";
  open.pop_back();
  EXPECT_EQ(table.connections(numbered(1)), 2U);
  EXPECT_FALSE(table.enter(numbered(1), 1, 3).full);
}

TEST(FloodTable, AHoldThatIsMovedOrOverwrittenCountsOnce) {
  FloodTable table(kKey);
  FloodHold one = table.enter(numbered(1), 1, kMany).hold;
  FloodHold other = table.enter(numbered(1), 1, kMany).hold;
  one = std::move(other);
  EXPECT_EQ(table.connections(numbered(1)), 1U);
  one = FloodHold();
  EXPECT_EQ(table.connections(numbered(1)), 0U);
}

TEST(FloodTable, CountsHandshakesUntilTheyEndOrTheConnectionDoes) {
  FloodTable table(kKey);
  FloodHold first = table.enter(numbered(1), 1, kMany).hold;
  FloodHold second = table.enter(numbered(1), 1, kMany).hold;
  FloodHold third = table.enter(numbered(1), 1, kMany).hold;
  ASSERT_TRUE(first.begin_handshake(2));
  ASSERT_TRUE(second.begin_handshake(2));
  EXPECT_FALSE(third.begin_handshake(2));
  first.end_handshake();
  first.end_handshake();
  EXPECT_TRUE(third.begin_handshake(2));
  second = FloodHold();
  FloodHold fourth = table.enter(numbered(1), 1, kMany).hold;
  EXPECT_TRUE(fourth.begin_handshake(2));
}

// ---- minutes

TEST(FloodTable, AMinuteBeginsAnewAndOthersAreNotCountedInIt) {
  FloodTable table(kKey);
  FloodHold hold = table.enter(numbered(1), 7, kMany).hold;
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(hold.count(FloodLimit::requests_per_minute, 7, 5));
  EXPECT_FALSE(hold.count(FloodLimit::requests_per_minute, 7, 5));
  EXPECT_TRUE(hold.reached(FloodLimit::requests_per_minute, 7, 5));
  EXPECT_FALSE(hold.reached(FloodLimit::denied_per_minute, 7, 1)) << "each has its own count";
  EXPECT_FALSE(hold.reached(FloodLimit::connections_per_minute, 7, 1));
  EXPECT_FALSE(hold.reached(FloodLimit::requests_per_minute, 8, 1));
  EXPECT_TRUE(hold.count(FloodLimit::requests_per_minute, 8, 5));
}

TEST(FloodTable, WhoseClockIsStillInTheMinuteBeforeCountsOnInTheOneThatHasBegun) {
  FloodTable table(kKey);
  FloodHold hold = table.enter(numbered(1), 7, kMany).hold;
  for (const std::uint32_t minute : {8U, 7U, 8U, 7U})
    EXPECT_TRUE(hold.count(FloodLimit::requests_per_minute, minute, 4)) << minute;
  for (const std::uint32_t minute : {7U, 8U, 7U}) {
    EXPECT_TRUE(hold.reached(FloodLimit::requests_per_minute, minute, 4)) << minute;
    EXPECT_FALSE(hold.count(FloodLimit::requests_per_minute, minute, 4)) << minute;
  }
  EXPECT_TRUE(hold.report(FloodLimit::requests_per_minute, 8));
  EXPECT_FALSE(hold.report(FloodLimit::requests_per_minute, 7));
  EXPECT_FALSE(hold.report(FloodLimit::requests_per_minute, 8));
}

TEST(FloodTable, AnAddressThatWasQuietForAsLongAsMinutesAreToldApartBeginsAnew) {
  // 45 days; that the minute seems to come again is not to be helped, nor the one before it.
  for (const std::uint32_t quiet : {2U, 1000U, 0x8000U, 0xfffeU}) {
    FloodTable table(kKey);
    FloodHold hold = table.enter(numbered(1), 7, kMany).hold;
    EXPECT_TRUE(hold.count(FloodLimit::requests_per_minute, 7, 1));
    EXPECT_TRUE(hold.count(FloodLimit::requests_per_minute, 7 + quiet, 1)) << quiet;
  }
}

TEST(FloodTable, ConnectionsOfAnAddressShareItsCounts) {
  FloodTable table(kKey);
  FloodHold one = table.enter(numbered(1), 7, kMany).hold;
  FloodHold other = table.enter(numbered(1), 7, kMany).hold;
  EXPECT_TRUE(one.count(FloodLimit::requests_per_minute, 7, 1));
  EXPECT_FALSE(other.count(FloodLimit::requests_per_minute, 7, 1));
}

TEST(FloodTable, ALimitThatIsRaisedInTheMinuteCountsOnFromWhatThereWas) {
  FloodTable table(kKey);
  FloodHold hold = table.enter(numbered(1), 7, kMany).hold;
  EXPECT_TRUE(hold.count(FloodLimit::requests_per_minute, 7, 1));
  EXPECT_FALSE(hold.count(FloodLimit::requests_per_minute, 7, 1));
  EXPECT_TRUE(hold.count(FloodLimit::requests_per_minute, 7, 2));
  EXPECT_FALSE(hold.count(FloodLimit::requests_per_minute, 7, 2));
}

TEST(FloodTable, ReportsEachLimitOnceAMinute) {
  FloodTable table(kKey);
  FloodHold hold = table.enter(numbered(1), 7, kMany).hold;
  FloodHold same = table.enter(numbered(1), 7, kMany).hold;
  EXPECT_TRUE(hold.report(FloodLimit::half_open, 7));
  EXPECT_FALSE(same.report(FloodLimit::half_open, 7));
  EXPECT_TRUE(same.report(FloodLimit::requests_per_minute, 7));
  EXPECT_FALSE(hold.report(FloodLimit::requests_per_minute, 7));
  EXPECT_TRUE(hold.report(FloodLimit::half_open, 8));
}

TEST(FloodTable, ReportsOfAllAddressesAreBoundedInAMinute) {
  FloodTable table(kKey);
  EXPECT_TRUE(table.may_report(7, 2));
  EXPECT_TRUE(table.may_report(7, 2));
  EXPECT_FALSE(table.may_report(7, 2));
  EXPECT_TRUE(table.may_report(8, 2));
  EXPECT_TRUE(table.may_report(7, 2)) << "by a worker whose clock is late";
  EXPECT_FALSE(table.may_report(8, 2));
  EXPECT_FALSE(table.may_report(7, 2));
}

TEST(FloodMinute, EndsAfterAsManySecondsAsAreSaid) {
  EXPECT_EQ(FloodTable::minute(milliseconds(119'999)), 1U);
  EXPECT_EQ(FloodTable::minute(milliseconds(120'000)), 2U);
  EXPECT_EQ(FloodTable::seconds_left(milliseconds(120'000)), 60U);
  EXPECT_EQ(FloodTable::seconds_left(milliseconds(120'001)), 60U);
  EXPECT_EQ(FloodTable::seconds_left(milliseconds(121'000)), 59U);
  EXPECT_EQ(FloodTable::seconds_left(milliseconds(179'999)), 1U);
}

// ---- a full set

TEST_F(OneSet, TakesUnusedPlacesFirst) {
  for (std::uint32_t i = 0; i < FloodTable::kWays; ++i) visit(numbered(i), 1, 1);
  EXPECT_EQ(evictions_, 0);
  for (std::uint32_t i = 0; i < FloodTable::kWays; ++i) EXPECT_TRUE(remembers(numbered(i), 1)) << i;
}

TEST_F(OneSet, ForgetsTheAddressThatWasQuietForLongest) {
  for (std::uint32_t i = 0; i < FloodTable::kWays; ++i) visit(numbered(i), i == 5 ? 3 : 4, 100 - i);
  visit(numbered(100), 4, 1);
  EXPECT_EQ(evictions_, 1);
  EXPECT_TRUE(remembers(numbered(4), 4));
  EXPECT_TRUE(remembers(numbered(6), 4));
  EXPECT_TRUE(remembers(numbered(100), 4));
  EXPECT_FALSE(remembers(numbered(5), 3));
}

TEST_F(OneSet, ForgetsOfThoseOfThisMinuteTheOneThatDidLeast) {
  for (std::uint32_t i = 0; i < FloodTable::kWays; ++i) visit(numbered(i), 4, i == 9 ? 2 : 50);
  visit(numbered(100), 4, 60);
  EXPECT_TRUE(remembers(numbered(0), 4));
  EXPECT_TRUE(remembers(numbered(100), 4));
  EXPECT_FALSE(remembers(numbered(9), 4));
}

TEST_F(OneSet, ForgetsForOneWhoseClockIsLateNobodyOfTheMinuteThatHasBegun) {
  for (std::uint32_t i = 0; i < FloodTable::kWays; ++i) visit(numbered(i), i == 5 ? 4 : 5, 50);
  visit(numbered(100), 4, 1);
  EXPECT_TRUE(remembers(numbered(0), 5));
  EXPECT_FALSE(remembers(numbered(5), 4));
}

TEST_F(OneSet, NeverForgetsWhoHasConnectionsHoweverQuiet) {
  const FloodHold quiet = enter(numbered(0), 1);
  for (std::uint32_t i = 1; i < 200; ++i) visit(numbered(i), 100 + i, 50);
  EXPECT_EQ(table_.connections(numbered(0)), 1U);
}

TEST_F(OneSet, LetsInUncountedWhatComesWhenAllHaveConnections) {
  std::vector<FloodHold> open;
  for (std::uint32_t i = 0; i < FloodTable::kWays; ++i) open.push_back(enter(numbered(i)));
  const FloodTable::Entered late = table_.enter(numbered(100), 1, kMany);
  EXPECT_FALSE(late.hold);
  EXPECT_FALSE(late.full);
  for (std::uint32_t i = 0; i < FloodTable::kWays; ++i)
    EXPECT_EQ(table_.connections(numbered(i)), 1U);
  open.pop_back();
  EXPECT_TRUE(table_.enter(numbered(100), 1, kMany).hold);
}

TEST_F(OneSet, WhoTakesAPlaceDoesNotInheritItsCounts) {
  for (std::uint32_t i = 0; i < FloodTable::kWays; ++i) {
    FloodHold hold = enter(numbered(i), 4);
    (void)hold.count(FloodLimit::requests_per_minute, 4, 1);
    (void)hold.report(FloodLimit::requests_per_minute, 4);
  }
  FloodHold heir = enter(numbered(100), 4);
  EXPECT_EQ(evictions_, 1);
  EXPECT_FALSE(heir.reached(FloodLimit::requests_per_minute, 4, 1));
  EXPECT_TRUE(heir.report(FloodLimit::requests_per_minute, 4));
}

// ---- many

TEST(FloodTable, KeepsFarFewerThanItsPlacesWithoutForgettingAny) {
  FloodTable table(kKey);
  int evictions = 0;
  for (std::uint32_t i = 0; i < 10'000; ++i)
    evictions += table.enter(numbered(i), 1, kMany).evicted ? 1 : 0;
  EXPECT_EQ(evictions, 0);
}

TEST(FloodTable, AKeyIsWhatTellsWhichAddressesMeet) {
  // Addresses that share a set under one key are spread over the sets under another.
  constexpr std::size_t kSets = 64;
  const auto meets = [](const HashKey& key, const std::vector<IpAddress>& all) {
    FloodTable table(key, kSets);
    std::vector<FloodHold> open;
    std::size_t turned_away = 0;
    for (const IpAddress& one : all) {
      open.push_back(table.enter(one, 1, kMany).hold);
      turned_away += open.back() ? 0 : 1;
    }
    return turned_away;
  };
  std::vector<IpAddress> aimed;
  // What an attacker could do who knew the key.
  for (std::uint32_t i = 0; aimed.size() < 200 && i < 2'000'000; ++i) {
    if ((keyed_hash(kKey, std::uint64_t{1} << 32 | (0x0a000000 + i)) & (kSets - 1)) == 0)
      aimed.push_back(numbered(i));
  }
  ASSERT_EQ(aimed.size(), 200U);
  EXPECT_EQ(meets(kKey, aimed), 200 - FloodTable::kWays);
  EXPECT_EQ(meets({kKey.first + 1, kKey.second}, aimed), 0U);
}

TEST(FloodTable, HoldsEachCountUnderManyThreads) {
  constexpr std::uint32_t kAddresses = 40;
  constexpr std::uint32_t kLimit = 5;
  FloodTable table(kKey, 2);  // two sets, 32 places: entries change hands all the time
  std::vector<std::thread> threads;
  for (std::uint32_t thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      std::vector<FloodHold> open;
      for (std::uint32_t i = 0; i < 20'000; ++i) {
        const std::uint32_t minute = 1 + i / 5'000;
        FloodTable::Entered entered =
            table.enter(numbered((i * 7 + thread * 3) % kAddresses), minute, kLimit);
        if (!entered.hold) continue;
        FloodHold& hold = entered.hold;
        const bool shaking = hold.begin_handshake(kLimit);
        (void)hold.count(FloodLimit::requests_per_minute, minute, 100);
        (void)hold.report(FloodLimit::requests_per_minute, minute);
        if (shaking && i % 3 == 0) hold.end_handshake();
        if (open.size() < 3) {
          open.push_back(std::move(hold));
        } else {
          open[i % 3] = std::move(hold);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  // Everything that was counted in was counted out: each address has room for all it may have.
  for (std::uint32_t i = 0; i < kAddresses; ++i) {
    EXPECT_EQ(table.connections(numbered(i)), 0U) << i;
    std::vector<FloodHold> open;
    for (std::uint32_t n = 0; n < kLimit; ++n) {
      open.push_back(table.enter(numbered(i), 9, kLimit).hold);
      ASSERT_TRUE(open.back());
      EXPECT_TRUE(open.back().begin_handshake(kLimit));
    }
    EXPECT_TRUE(table.enter(numbered(i), 9, kLimit).full);
  }
}

TEST(FloodTable, NeverLetsInMoreThanTheLimitHoweverManyThreadsAsk) {
  constexpr std::size_t kThreads = 4;
  FloodTable table(kKey);
  std::array<std::vector<FloodHold>, kThreads> open;
  std::atomic<std::uint32_t> requests{0};
  std::vector<std::thread> threads;
  for (std::vector<FloodHold>& mine : open) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) {
        FloodHold hold = table.enter(numbered(1), 1, 10).hold;
        if (!hold) continue;
        if (hold.count(FloodLimit::requests_per_minute, 1, 500)) ++requests;
        if (mine.size() < 10) mine.push_back(std::move(hold));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::size_t held = 0;
  for (const std::vector<FloodHold>& mine : open) held += mine.size();
  EXPECT_EQ(held, 10U);
  EXPECT_EQ(table.connections(numbered(1)), 10U);
  EXPECT_EQ(requests, 10U);
}

TEST(FloodTable, AnAddressThatComesFirstToSeveralThreadsAtOnceHasOneEntry) {
  constexpr std::uint32_t kAddresses = 5'000;
  constexpr std::uint32_t kThreads = 4;
  FloodTable table(kKey, 1 << 14);
  std::array<std::vector<FloodHold>, kThreads> open;
  std::atomic<std::uint32_t> arrived{0};
  std::vector<std::thread> threads;
  for (std::vector<FloodHold>& mine : open) {
    threads.emplace_back([&] {
      for (std::uint32_t i = 0; i < kAddresses; ++i) {
        // All come to an address together.
        arrived.fetch_add(1);
        while (arrived.load() < (i + 1) * kThreads) std::this_thread::yield();
        mine.push_back(table.enter(numbered(i), 1, 1).hold);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (std::uint32_t i = 0; i < kAddresses; ++i) {
    std::uint32_t let_in = 0;
    for (const std::vector<FloodHold>& mine : open) let_in += mine[i] ? 1 : 0;
    ASSERT_EQ(let_in, 1U) << i;
  }
}

TEST(FloodTable, CountsExactlyToTheLimitHoweverManyThreadsCount) {
  FloodTable table(kKey);
  FloodHold hold = table.enter(numbered(1), 1, kMany).hold;
  std::atomic<std::uint32_t> counted{0};
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&] {
      FloodHold mine = table.enter(numbered(1), 1, kMany).hold;
      for (int i = 0; i < 1000; ++i) {
        if (mine.count(FloodLimit::requests_per_minute, 1, 500)) ++counted;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(counted, 500U);
}

}  // namespace
}  // namespace ocsproxy
