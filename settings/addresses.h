// Addresses and names of hosts in the configuration, each refused with the reason.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/finding.h"
#include "base/ip_address.h"
#include "settings/node.h"

namespace ocsproxy::settings {

// "192.0.2.1" or "2001:db8::1".
std::optional<IpAddress> read_address(const Node& node, std::string_view key, Findings& findings);

// "10.0.0.0/8", "192.0.2.1", "10.0.0.1-10.0.0.99".
std::optional<AddressRange> read_range(const Node& node, std::string_view key, Findings& findings);
// Was `text` meant to be an address or a range, right or wrong, and not the name of a network?
bool looks_like_range(std::string_view text);

// The name of an internal site or computer, or an IP address (IPv6 with or without brackets). In
// lower case, without a last dot and brackets; addresses as IpAddress::to_string writes them.
std::optional<std::string> read_host(const Node& node, std::string_view key, Findings& findings);

// A public name: as read_host, and also "*" and "*.name".
std::optional<std::string> read_public_name(const Node& node, Findings& findings);

}  // namespace ocsproxy::settings
