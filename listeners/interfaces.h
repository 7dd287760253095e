// This machine's network interfaces and their addresses.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/ip_address.h"

namespace ocsproxy {

struct Interface {
  std::string name;
  bool up = false;
  std::vector<IpAddress> addresses;  // IPv4 first, each family in the kernel's order
};

// All interfaces, in the kernel's order, also those without an address.
Result<std::vector<Interface>> network_interfaces();

// Every address of this machine: what the network "Local Host" is made of.
std::vector<IpAddress> own_addresses(const std::vector<Interface>& interfaces);

// The interface of this name, or nullptr. Points into `interfaces`.
const Interface* find_interface(const std::vector<Interface>& interfaces, std::string_view name);

// What a listener on this interface listens on: its addresses without the IPv6 link-local ones,
// which mean nothing without a zone.
std::vector<IpAddress> listening_addresses(const Interface& interface);

// For the end of a sentence: "the NICs have: eth0 192.0.2.1, lo 127.0.0.1, eth1 (no address)".
std::string describe(const std::vector<Interface>& interfaces);

}  // namespace ocsproxy
