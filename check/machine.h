// What the questions to a configuration know of the machine that it is for.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/error.h"
#include "base/ip_address.h"
#include "listeners/interfaces.h"

namespace ocsproxy {

struct Machine {
  std::vector<Interface> interfaces;
  bool knows_interfaces = true;          // else `interfaces` has addresses, and no NIC's name
  std::uint16_t first_free_port = 1024;  // to bind below it needs a privilege
  bool may_bind_low_ports = false;       // has the calling process that privilege?
  bool binds_any_address = false;        // the kernel lets sockets have addresses of no NIC

  // Could a socket be bound to it? Every address of 127.0.0.0/8 is this machine's.
  bool has(const IpAddress& address) const;
  // Does what is sent to it stay on this machine?
  bool is_own(const IpAddress& address) const;
};

// The machine that this process runs on.
Result<Machine> this_machine();

// Another machine, of which only its addresses are known: offline questions may be about it.
Machine other_machine(std::span<const IpAddress> addresses);

}  // namespace ocsproxy
