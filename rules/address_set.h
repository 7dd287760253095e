// Sets of IP addresses: what a rule's `from` and `except_from` mean, and the algebra that compares
// two policies.
#pragma once

#include <span>
#include <vector>

#include "base/ip_address.h"

namespace ocsproxy::rules {

// A value: sorted, disjoint ranges that do not touch, none of which crosses between IPv4 and IPv6;
// so equal sets have equal ranges. Building from n ranges costs n log n, each operation is linear
// in the ranges of both sides, `contains` is logarithmic.
class AddressSet {
 public:
  AddressSet() = default;  // empty
  // In any order; they may overlap. An IPv6 range holds no IPv4 address, however wide it is.
  explicit AddressSet(std::vector<AddressRange> ranges);
  // Every IPv4 and every IPv6 address.
  static AddressSet all();

  bool empty() const { return ranges_.empty(); }
  bool contains(const IpAddress& address) const;
  const std::vector<AddressRange>& ranges() const& { return ranges_; }
  const std::vector<AddressRange>& ranges() const&& = delete;  // they would die with the set

  AddressSet complement() const;
  friend AddressSet operator|(const AddressSet& a, const AddressSet& b);  // in either
  friend AddressSet operator&(const AddressSet& a, const AddressSet& b);  // in both
  friend AddressSet operator-(const AddressSet& a, const AddressSet& b);  // in `a`, not in `b`
  friend bool operator==(const AddressSet&, const AddressSet&) = default;

 private:
  std::vector<AddressRange> ranges_;
};

}  // namespace ocsproxy::rules
