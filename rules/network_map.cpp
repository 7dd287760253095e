#include "rules/network_map.h"

namespace ocsproxy::rules {
namespace {

AddressSet loopback() {
  IpAddress::Bytes one{};
  one.back() = 1;
  const IpAddress v6 = IpAddress::from_v6(one);
  return AddressSet({{IpAddress::from_v4(0x7f000000), IpAddress::from_v4(0x7fffffff)}, {v6, v6}});
}

void append_ranges(std::vector<AddressRange>& ranges, const settings::Network& network) {
  for (const auto& range : network.ranges) ranges.push_back(*range);
}

AddressSet own(std::span<const IpAddress> addresses) {
  std::vector<AddressRange> ranges;
  for (const IpAddress& address : addresses) {
    if (!address.is_loopback()) ranges.push_back({address, address});
  }
  return AddressSet(std::move(ranges));
}

}  // namespace

NetworkMap::NetworkMap(std::span<const settings::Network> networks,
                       std::span<const IpAddress> own_addresses)
    : anywhere_(AddressSet::all()) {
  std::vector<AddressRange> configured_ranges, named_ranges;
  for (const auto& network : networks) {
    append_ranges(configured_ranges, network);
    if (*network.name != settings::kExternal) append_ranges(named_ranges, network);
  }
  const AddressSet configured(std::move(configured_ranges));
  const AddressSet local_host = own(own_addresses) | (loopback() - configured);
  // Ranges given to External need no place of their own: it is the rest, and all that they change
  // is that loopback among them is not Local Host.
  const AddressSet external = (local_host | AddressSet(std::move(named_ranges))).complement();

  networks_.push_back({std::string(settings::kLocalHost), local_host});
  networks_.push_back({std::string(settings::kExternal), external});
  for (const auto& network : networks) {
    if (*network.name == settings::kExternal) continue;
    std::vector<AddressRange> ranges;
    append_ranges(ranges, network);
    networks_.push_back({*network.name, AddressSet(std::move(ranges)) - local_host});
  }
}

const AddressSet* NetworkMap::addresses(std::string_view name) const {
  if (name == settings::kAnywhere) return &anywhere_;
  for (const Network& network : networks_) {
    if (network.name == name) return &network.addresses;
  }
  return nullptr;
}

}  // namespace ocsproxy::rules
