#include "rules/flood_policy.h"

#include "rules/network_map.h"

namespace ocsproxy::rules {

FloodPolicy::FloodPolicy(const settings::Settings& settings,
                         std::span<const IpAddress> own_addresses)
    : settings_(&settings.flood_mitigation) {
  const NetworkMap networks(settings.networks, own_addresses);
  std::vector<AddressSet> sets;
  std::vector<AddressRange> cuts;
  for (const settings::FloodException& exception : settings_->exceptions) {
    AddressSet set;
    for (const settings::Source& source : exception.from)
      set = set | (source.range ? AddressSet({*source.range}) : *networks.addresses(source.text));
    cuts.insert(cuts.end(), set.ranges().begin(), set.ranges().end());
    sets.push_back(std::move(set));
  }
  atoms_ = AddressAtoms(cuts);
  exception_by_atom_.assign(atoms_.size(), static_cast<std::uint32_t>(sets.size()));
  // The first one that an address is in counts: it is written last.
  for (std::uint32_t number = static_cast<std::uint32_t>(sets.size()); number-- > 0;) {
    for (const AtomRange& atoms : atoms_.atoms(sets[number])) {
      for (std::uint32_t atom = atoms.first; atom <= atoms.last; ++atom)
        exception_by_atom_[atom] = number;
    }
  }
}

const settings::FloodException* FloodPolicy::exception_of(const IpAddress& client) const {
  if (settings_->exceptions.empty()) return nullptr;
  const std::uint32_t number = exception_by_atom_[atoms_.find(client)];
  return number < settings_->exceptions.size() ? &settings_->exceptions[number] : nullptr;
}

const settings::FloodLimits* FloodPolicy::of(const IpAddress& client) const {
  if (!*settings_->enabled) return nullptr;
  const settings::FloodException* const exception = exception_of(client);
  if (exception == nullptr) return &settings_->limits;
  return *exception->unlimited ? nullptr : &exception->limits;
}

}  // namespace ocsproxy::rules
