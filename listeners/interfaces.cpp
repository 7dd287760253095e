#include "listeners/interfaces.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>

#include "net/socket_address.h"

namespace ocsproxy {
namespace {

std::optional<IpAddress> address_of(const sockaddr* address) {
  if (address == nullptr) return std::nullopt;
  if (address->sa_family != AF_INET && address->sa_family != AF_INET6) return std::nullopt;
  sockaddr_storage storage{};
  std::memcpy(&storage, address,
              address->sa_family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
  return SocketAddress::from(storage).ip;
}

// fe80::/10, RFC 4291 section 2.5.6.
bool is_link_local_v6(const IpAddress& address) {
  return !address.is_v4() && address.bytes()[0] == 0xfe && (address.bytes()[1] & 0xc0) == 0x80;
}

}  // namespace

Result<std::vector<Interface>> network_interfaces() {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) {
    return Error{.detail = "cannot list this machine's addresses: " + errno_text(errno)};
  }
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owned(list, &::freeifaddrs);
  std::vector<Interface> interfaces;
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    auto found = std::find_if(interfaces.begin(), interfaces.end(), [entry](const Interface& one) {
      return one.name == entry->ifa_name;
    });
    if (found == interfaces.end()) {
      found = interfaces.insert(found, Interface{.name = entry->ifa_name,
                                                 .up = (entry->ifa_flags & IFF_UP) != 0,
                                                 .addresses = {}});
    }
    if (const auto address = address_of(entry->ifa_addr)) found->addresses.push_back(*address);
  }
  for (Interface& one : interfaces) {
    std::stable_partition(one.addresses.begin(), one.addresses.end(),
                          [](const IpAddress& address) { return address.is_v4(); });
  }
  return interfaces;
}

std::vector<IpAddress> own_addresses(const std::vector<Interface>& interfaces) {
  std::vector<IpAddress> all;
  for (const Interface& one : interfaces) {
    all.insert(all.end(), one.addresses.begin(), one.addresses.end());
  }
  return all;
}

const Interface* find_interface(const std::vector<Interface>& interfaces, std::string_view name) {
  const auto found = std::find_if(interfaces.begin(), interfaces.end(),
                                  [name](const Interface& one) { return one.name == name; });
  return found == interfaces.end() ? nullptr : &*found;
}

std::vector<IpAddress> listening_addresses(const Interface& interface) {
  std::vector<IpAddress> addresses = interface.addresses;
  std::erase_if(addresses, is_link_local_v6);
  return addresses;
}

std::string describe(const std::vector<Interface>& interfaces) {
  std::string text = "the NICs have: ";
  const char* separator = "";
  for (const Interface& one : interfaces) {
    for (const IpAddress& address : one.addresses) {
      text += separator + one.name + ' ' + address.to_string();
      separator = ", ";
    }
    if (!one.addresses.empty()) continue;
    text += separator + one.name + " (no address)";
    separator = ", ";
  }
  return text;
}

}  // namespace ocsproxy
