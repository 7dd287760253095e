// The address space cut into its elementary intervals ("atoms"): between two neighbouring borders
// of all ranges that a policy names, every address is the same to every rule. A client's atom is
// found once per connection; from then on its address is a small number.
#pragma once

#include <compare>
#include <cstdint>
#include <span>
#include <vector>

#include "rules/address_set.h"

namespace ocsproxy::rules {

// Both included.
struct AtomRange {
  std::uint32_t first = 0;
  std::uint32_t last = 0;

  friend auto operator<=>(const AtomRange&, const AtomRange&) = default;
};

class AddressAtoms {
 public:
  AddressAtoms() = default;  // no atoms; to be assigned to
  // Cuts the space at both ends of each of `ranges`, in any order.
  explicit AddressAtoms(std::span<const AddressRange> ranges);

  std::uint32_t size() const { return static_cast<std::uint32_t>(starts_.size()); }
  std::uint32_t find(const IpAddress& address) const;
  // All addresses of an atom; never of both families.
  AddressRange range(std::uint32_t atom) const;
  // Sorted, disjoint, none touching the next. Precondition: the ends of `set` are ends of ranges
  // that the space was cut at.
  std::vector<AtomRange> atoms(const AddressSet& set) const;

 private:
  std::vector<IpAddress> starts_;
};

// Sets of atoms by number, in one block of memory.
class AtomSets {
 public:
  // `ranges` are sorted and disjoint. Returns the number of the set.
  std::uint32_t add(const std::vector<AtomRange>& ranges);
  std::span<const AtomRange> ranges(std::uint32_t set) const {
    return {ranges_.data() + sets_[set].begin, sets_[set].count};
  }
  bool contains(std::uint32_t set, std::uint32_t atom) const;

 private:
  struct Set {
    std::uint32_t begin = 0;
    std::uint32_t count = 0;
  };
  std::vector<Set> sets_;
  std::vector<AtomRange> ranges_;
};

}  // namespace ocsproxy::rules
