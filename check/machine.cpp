#include "check/machine.h"

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>

namespace ocsproxy {
namespace {

bool has_bind_capability() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
  if (::syscall(SYS_capget, &header, sets.data()) != 0) return false;
  return (sets[0].effective & 1U << CAP_NET_BIND_SERVICE) != 0;
}

unsigned kernel_setting(const char* path, unsigned otherwise) {
  std::ifstream(path) >> otherwise;
  return otherwise;
}

}  // namespace

bool Machine::has(const IpAddress& address) const {
  if (binds_any_address || address.is_unspecified()) return true;
  if (address.is_v4() && address.is_loopback()) return true;
  return std::ranges::any_of(interfaces, [&address](const Interface& one) {
    return std::ranges::find(one.addresses, address) != one.addresses.end();
  });
}

bool Machine::is_own(const IpAddress& address) const {
  const auto own = own_addresses(interfaces);
  return address.is_loopback() || address.is_unspecified() ||
         std::ranges::find(own, address) != own.end();
}

Result<Machine> this_machine() {
  auto interfaces = network_interfaces();
  if (!interfaces) return std::move(interfaces).error();
  Machine machine;
  machine.interfaces = *std::move(interfaces);
  machine.first_free_port = static_cast<std::uint16_t>(
      kernel_setting("/proc/sys/net/ipv4/ip_unprivileged_port_start", 1024));
  machine.may_bind_low_ports = has_bind_capability();
  machine.binds_any_address = kernel_setting("/proc/sys/net/ipv4/ip_nonlocal_bind", 0) != 0;
  return machine;
}

Machine other_machine(std::span<const IpAddress> addresses) {
  Machine machine;
  machine.interfaces.push_back(
      {.name = "--local-address", .up = true, .addresses = {addresses.begin(), addresses.end()}});
  machine.knows_interfaces = false;
  machine.may_bind_low_ports = true;
  return machine;
}

}  // namespace ocsproxy
