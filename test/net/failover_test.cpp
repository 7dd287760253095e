#include "net/failover.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ocsproxy {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;

const IpAddress a = *IpAddress::parse("192.0.2.1");
const IpAddress b = *IpAddress::parse("2001:db8::2");
const IpAddress c = *IpAddress::parse("192.0.2.3");
constexpr milliseconds kStart{1'000'000};
constexpr milliseconds kSecond{1'000};

TEST(Failover, keeps_the_order_while_nothing_failed) {
  EXPECT_THAT(Failover().order({a, b, c}, kStart), ElementsAre(a, b, c));
  EXPECT_THAT(Failover().order({}, kStart), IsEmpty());
}

TEST(Failover, leaves_out_a_failed_address_when_two_others_are_left) {
  Failover failover;
  failover.failed(a, kStart);
  EXPECT_THAT(failover.order({a, b, c}, kStart), ElementsAre(b, c));
}

TEST(Failover, tries_a_failed_address_second_when_one_other_is_left) {
  Failover failover;
  failover.failed(a, kStart);
  EXPECT_THAT(failover.order({a, b}, kStart), ElementsAre(b, a));
}

TEST(Failover, takes_the_address_that_failed_longest_ago_as_the_second) {
  Failover failover;
  failover.failed(b, kStart);
  failover.failed(a, kStart + kSecond);
  EXPECT_THAT(failover.order({a, b, c}, kStart + kSecond), ElementsAre(c, b));
}

TEST(Failover, tries_all_when_all_are_set_aside) {
  Failover failover;
  failover.failed(c, kStart);
  failover.failed(a, kStart + kSecond);
  failover.failed(b, kStart + 2 * kSecond);
  EXPECT_THAT(failover.order({a, b, c}, kStart + 2 * kSecond), ElementsAre(c, a, b));
}

TEST(Failover, takes_an_address_back_after_ten_seconds) {
  Failover failover;
  failover.failed(a, kStart);
  const milliseconds end = kStart + Failover::kSetAside;
  EXPECT_TRUE(failover.is_set_aside(a, end - milliseconds(1)));
  EXPECT_THAT(failover.order({a, b, c}, end), ElementsAre(a, b, c));
}

TEST(Failover, counts_the_ten_seconds_from_the_last_failure) {
  Failover failover;
  failover.failed(a, kStart);
  failover.failed(a, kStart + 9 * kSecond);
  EXPECT_TRUE(failover.is_set_aside(a, kStart + 18 * kSecond));
  EXPECT_FALSE(failover.is_set_aside(a, kStart + 19 * kSecond));
}

TEST(Failover, takes_an_address_back_at_once_when_it_answered) {
  Failover failover;
  failover.failed(a, kStart);
  failover.succeeded(a);
  EXPECT_THAT(failover.order({a, b, c}, kStart), ElementsAre(a, b, c));
}

TEST(Failover, set_aside_addresses_that_are_no_longer_the_sites_are_not_tried) {
  Failover failover;
  failover.failed(c, kStart);
  EXPECT_THAT(failover.order({a, b}, kStart), ElementsAre(a, b));
}

}  // namespace
}  // namespace ocsproxy
