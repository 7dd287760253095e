#include "listeners/interfaces.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ocsproxy {
namespace {

using testing::Contains;
using testing::ElementsAre;

IpAddress ip(const char* text) { return *IpAddress::parse(text); }

const std::vector<Interface> kTwo = {
    {.name = "eth0", .up = true, .addresses = {ip("192.0.2.1"), ip("2001:db8::1"), ip("fe80::1")}},
    {.name = "lo", .up = true, .addresses = {ip("127.0.0.1")}},
    {.name = "eth1", .up = false, .addresses = {}},
};

TEST(Interfaces, of_this_machine_have_the_loopback_address_once) {
  const auto interfaces = network_interfaces();
  ASSERT_TRUE(interfaces);
  const Interface* const loopback = find_interface(*interfaces, "lo");
  ASSERT_NE(loopback, nullptr);
  EXPECT_TRUE(loopback->up);
  EXPECT_THAT(loopback->addresses, Contains(ip("127.0.0.1")).Times(1));
  EXPECT_TRUE(loopback->addresses.front().is_v4());
  EXPECT_THAT(own_addresses(*interfaces), Contains(ip("127.0.0.1")));
}

TEST(Interfaces, are_found_by_their_whole_name) {
  EXPECT_EQ(find_interface(kTwo, "eth0"), kTwo.data());
  EXPECT_EQ(find_interface(kTwo, "eth"), nullptr);
  EXPECT_EQ(find_interface(kTwo, "ETH0"), nullptr);
}

TEST(Interfaces, all_addresses_are_the_machines_own) {
  EXPECT_THAT(own_addresses(kTwo),
              ElementsAre(ip("192.0.2.1"), ip("2001:db8::1"), ip("fe80::1"), ip("127.0.0.1")));
}

TEST(Interfaces, link_local_addresses_are_not_listened_on) {
  EXPECT_THAT(listening_addresses(kTwo[0]), ElementsAre(ip("192.0.2.1"), ip("2001:db8::1")));
}

TEST(Interfaces, are_described_for_the_end_of_a_sentence) {
  EXPECT_EQ(describe(kTwo),
            "the NICs have: eth0 192.0.2.1, eth0 2001:db8::1, eth0 fe80::1, lo 127.0.0.1, "
            "eth1 (no address)");
}

}  // namespace
}  // namespace ocsproxy
