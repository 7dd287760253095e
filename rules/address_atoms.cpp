#include "rules/address_atoms.h"

#include <algorithm>

namespace ocsproxy::rules {

AddressAtoms::AddressAtoms(std::span<const AddressRange> ranges) {
  starts_.reserve(ranges.size() * 2 + 1);
  starts_.emplace_back();
  for (const AddressRange& range : ranges) {
    starts_.push_back(range.first);
    if (const auto after = range.last.next()) starts_.push_back(*after);
  }
  std::sort(starts_.begin(), starts_.end());
  starts_.erase(std::unique(starts_.begin(), starts_.end()), starts_.end());
  starts_.shrink_to_fit();
}

std::uint32_t AddressAtoms::find(const IpAddress& address) const {
  const auto after = std::upper_bound(starts_.begin(), starts_.end(), address);
  return static_cast<std::uint32_t>(after - starts_.begin() - 1);
}

AddressRange AddressAtoms::range(std::uint32_t atom) const {
  if (atom + 1 < size()) return {starts_[atom], starts_[atom + 1].previous().value()};
  IpAddress::Bytes highest;
  highest.fill(0xff);
  return {starts_[atom], IpAddress::from_v6(highest)};
}

std::vector<AtomRange> AddressAtoms::atoms(const AddressSet& set) const {
  std::vector<AtomRange> result;
  result.reserve(set.ranges().size());
  for (const AddressRange& range : set.ranges()) {
    const AtomRange atoms{find(range.first), find(range.last)};
    if (!result.empty() && result.back().last + 1 == atoms.first) {
      result.back().last = atoms.last;
    } else {
      result.push_back(atoms);
    }
  }
  return result;
}

std::uint32_t AtomSets::add(const std::vector<AtomRange>& ranges) {
  sets_.push_back(
      {static_cast<std::uint32_t>(ranges_.size()), static_cast<std::uint32_t>(ranges.size())});
  ranges_.insert(ranges_.end(), ranges.begin(), ranges.end());
  return static_cast<std::uint32_t>(sets_.size() - 1);
}

bool AtomSets::contains(std::uint32_t set, std::uint32_t atom) const {
  const std::span<const AtomRange> all = ranges(set);
  if (all.size() == 1) return all[0].first <= atom && atom <= all[0].last;
  const auto after = std::upper_bound(
      all.begin(), all.end(), atom,
      [](std::uint32_t value, const AtomRange& range) { return value < range.first; });
  return after != all.begin() && atom <= std::prev(after)->last;
}

}  // namespace ocsproxy::rules
