// Which network an address belongs to: exactly one of Local Host, the named networks and External.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rules/address_set.h"
#include "settings/settings.h"

namespace ocsproxy::rules {

// Immutable; any thread. The networks are disjoint and cover every address: an own address is
// Local Host first, then the named networks, then External is the rest. Loopback is Local Host only
// where neither a named network nor a range given to External holds it, so that a lab on loopback
// can play the Internet.
class NetworkMap {
 public:
  struct Network {
    std::string name;
    AddressSet addresses;
  };

  // `own_addresses` are this machine's; loopback among them is not needed.
  NetworkMap(std::span<const settings::Network> networks, std::span<const IpAddress> own_addresses);

  // Local Host, External, then the named ones in their order; disjoint, since the configuration may
  // not let named networks overlap.
  const std::vector<Network>& networks() const { return networks_; }
  // What a rule's `from` or a listener's `networks` mean by `name`, Anywhere included; nullptr when
  // there is no such network. Lives as long as the map.
  const AddressSet* addresses(std::string_view name) const;

 private:
  std::vector<Network> networks_;
  AddressSet anywhere_;
};

}  // namespace ocsproxy::rules
