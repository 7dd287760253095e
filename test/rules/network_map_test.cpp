#include "rules/network_map.h"

namespace ocsproxy::rules {
namespace {

using NetworkList = std::vector<std::pair<std::string, std::vector<std::string>>>;

std::vector<settings::Network> make_networks(const NetworkList& list) {
  std::vector<settings::Network> networks;
  for (const auto& [name, ranges] : list) {
    settings::Network& network = networks.emplace_back();
    network.name.value = name;
    for (const std::string& range : ranges) {
      network.ranges.push_back({AddressRange::parse(range).value(), {}});
    }
  }
  return networks;
}

// The network of `address` on a machine with the addresses 203.0.113.1, 10.0.0.1 and loopback.
std::string network_of(const NetworkList& list, std::string_view address) {
  const std::vector<IpAddress> own = {
      IpAddress::parse("203.0.113.1").value(), IpAddress::parse("10.0.0.1").value(),
      IpAddress::parse("2001:db8::1").value(), IpAddress::parse("127.0.0.1").value(),
      IpAddress::parse("::1").value()};
  const auto networks = make_networks(list);
  const NetworkMap map(networks, own);
  std::string found;
  for (const auto& network : map.networks()) {
    if (!network.addresses.contains(IpAddress::parse(address).value())) continue;
    found += (found.empty() ? "" : " and ") + network.name;
  }
  return found;
}

const NetworkList kUsual = {{"Internal", {"10.0.0.0/8", "fd00::/8"}},
                            {"Perimeter", {"172.16.0.0/12", "203.0.113.0/24"}}};
const NetworkList kLab = {{"External", {"127.0.0.0/8"}}, {"Internal", {"10.0.0.0/8"}}};
const NetworkList kLoopbackInside = {{"Internal", {"127.0.1.0/24", "::1"}}};

struct Row {
  const NetworkList* networks;
  std::string_view address, network;
};

class NetworkOf : public testing::TestWithParam<Row> {};

TEST_P(NetworkOf, IsExactlyThisOne) {
  EXPECT_EQ(network_of(*GetParam().networks, GetParam().address), GetParam().network)
      << GetParam().address;
}

INSTANTIATE_TEST_SUITE_P(
    All, NetworkOf,
    testing::Values(
        Row{&kUsual, "10.0.0.2", "Internal"}, Row{&kUsual, "fd00::2", "Internal"},
        Row{&kUsual, "203.0.113.2", "Perimeter"}, Row{&kUsual, "198.51.100.1", "External"},
        Row{&kUsual, "2001:db8::2", "External"}, Row{&kUsual, "0.0.0.0", "External"},
        // An own address comes first, also inside a named network.
        Row{&kUsual, "10.0.0.1", "Local Host"}, Row{&kUsual, "203.0.113.1", "Local Host"},
        Row{&kUsual, "2001:db8::1", "Local Host"}, Row{&kUsual, "127.0.0.1", "Local Host"},
        Row{&kUsual, "127.9.9.9", "Local Host"}, Row{&kUsual, "::1", "Local Host"},
        // Loopback that the configuration names is what it says.
        Row{&kLab, "127.0.0.1", "External"}, Row{&kLab, "127.0.0.9", "External"},
        Row{&kLab, "::1", "Local Host"}, Row{&kLab, "10.0.0.1", "Local Host"},
        Row{&kLoopbackInside, "127.0.1.5", "Internal"},
        Row{&kLoopbackInside, "127.0.0.1", "Local Host"},
        Row{&kLoopbackInside, "::1", "Internal"}));

TEST(NetworkMap, NetworksCoverEveryAddressOnce) {
  const auto networks = make_networks(kUsual);
  const std::vector<IpAddress> own = {IpAddress::parse("10.0.0.1").value()};
  const NetworkMap map(networks, own);
  AddressSet all;
  for (const auto& network : map.networks()) {
    EXPECT_TRUE((all & network.addresses).empty()) << network.name;
    all = all | network.addresses;
  }
  EXPECT_EQ(all, AddressSet::all());
}

TEST(NetworkMap, AnywhereIsEverythingAndUnknownNamesAreNothing) {
  const NetworkMap map({}, {});
  ASSERT_NE(map.addresses("Anywhere"), nullptr);
  EXPECT_EQ(*map.addresses("Anywhere"), AddressSet::all());
  EXPECT_NE(map.addresses("External"), nullptr);
  EXPECT_NE(map.addresses("Local Host"), nullptr);
  EXPECT_EQ(map.addresses("Internal"), nullptr);
  EXPECT_EQ(map.addresses("external"), nullptr);
}

}  // namespace
}  // namespace ocsproxy::rules
