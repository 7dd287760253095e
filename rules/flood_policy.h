// Which limits of flood mitigation hold for a client: those for everybody, or those of the first
// exception that its address is in.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/ip_address.h"
#include "rules/address_atoms.h"
#include "settings/settings.h"

namespace ocsproxy::rules {

// Immutable; any thread.
class FloodPolicy {
 public:
  FloodPolicy() = default;  // to be assigned to
  // `own_addresses` are this machine's, for the network Local Host. `settings` outlives it, and
  // names no network that there is not.
  FloodPolicy(const settings::Settings& settings, std::span<const IpAddress> own_addresses);

  // nullptr: what this client does is not counted.
  const settings::FloodLimits* of(const IpAddress& client) const;
  // nullptr: it is in none.
  const settings::FloodException* exception_of(const IpAddress& client) const;

 private:
  const settings::FloodMitigation* settings_ = nullptr;
  AddressAtoms atoms_;
  std::vector<std::uint32_t> exception_by_atom_;  // the number of exceptions: none
};

}  // namespace ocsproxy::rules
