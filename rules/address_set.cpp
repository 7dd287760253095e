#include "rules/address_set.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace ocsproxy::rules {
namespace {

// The whole space, split at both ends of the IPv4 addresses.
const std::array<AddressRange, 3>& whole_space() {
  static const std::array<AddressRange, 3> kSpace = [] {
    const IpAddress first_v4 = IpAddress::from_v4(0);
    const IpAddress last_v4 = IpAddress::from_v4(0xffffffff);
    IpAddress::Bytes ones;
    ones.fill(0xff);
    return std::array<AddressRange, 3>{AddressRange{IpAddress(), *first_v4.previous()},
                                       AddressRange{first_v4, last_v4},
                                       AddressRange{*last_v4.next(), IpAddress::from_v6(ones)}};
  }();
  return kSpace;
}

// Does `next` go on where `last` ends? Both sorted, in the same family.
bool joins(const AddressRange& last, const AddressRange& next) {
  if (last.first.is_v4() != next.first.is_v4()) return false;
  if (next.first <= last.last) return true;
  const auto after = last.last.next();
  return after && *after == next.first;
}

std::vector<AddressRange> joined(const std::vector<AddressRange>& sorted) {
  std::vector<AddressRange> result;
  for (const AddressRange& range : sorted) {
    if (!result.empty() && joins(result.back(), range)) {
      result.back().last = std::max(result.back().last, range.last);
    } else {
      result.push_back(range);
    }
  }
  return result;
}

}  // namespace

AddressSet::AddressSet(std::vector<AddressRange> ranges) {
  const AddressRange below = whole_space()[0], v4 = whole_space()[1], above = whole_space()[2];
  const std::size_t given = ranges.size();
  for (std::size_t i = 0; i < given; ++i) {
    // "::/0" and its like lie on both sides of the IPv4 addresses, and hold none of them.
    if (ranges[i].first < v4.first && v4.last < ranges[i].last) {
      ranges.push_back({above.first, ranges[i].last});
      ranges[i].last = below.last;
    }
  }
  std::sort(ranges.begin(), ranges.end());
  ranges_ = joined(ranges);
}

AddressSet AddressSet::all() {
  AddressSet result;
  result.ranges_.assign(whole_space().begin(), whole_space().end());
  return result;
}

bool AddressSet::contains(const IpAddress& address) const {
  const auto after = std::upper_bound(
      ranges_.begin(), ranges_.end(), address,
      [](const IpAddress& value, const AddressRange& range) { return value < range.first; });
  return after != ranges_.begin() && address <= std::prev(after)->last;
}

AddressSet AddressSet::complement() const { return all() - *this; }

AddressSet operator|(const AddressSet& a, const AddressSet& b) {
  std::vector<AddressRange> merged;
  merged.reserve(a.ranges_.size() + b.ranges_.size());
  std::merge(a.ranges_.begin(), a.ranges_.end(), b.ranges_.begin(), b.ranges_.end(),
             std::back_inserter(merged));
  AddressSet result;
  result.ranges_ = joined(merged);
  return result;
}

AddressSet operator&(const AddressSet& a, const AddressSet& b) {
  AddressSet result;
  auto left = a.ranges_.begin();
  auto right = b.ranges_.begin();
  while (left != a.ranges_.end() && right != b.ranges_.end()) {
    if (left->overlaps(*right)) {
      result.ranges_.push_back(
          {std::max(left->first, right->first), std::min(left->last, right->last)});
    }
    if (left->last < right->last) {
      ++left;
    } else {
      ++right;
    }
  }
  return result;
}

AddressSet operator-(const AddressSet& a, const AddressSet& b) {
  AddressSet result;
  auto hole = b.ranges_.begin();
  for (const AddressRange& range : a.ranges_) {
    std::optional<IpAddress> first = range.first;  // of what is left of `range`
    while (hole != b.ranges_.end() && hole->last < range.first) ++hole;
    // A hole that reaches beyond this range may cut the next one too, so it is passed only there.
    for (auto cut = hole; first && cut != b.ranges_.end() && cut->first <= range.last; ++cut) {
      hole = cut;
      if (*first < cut->first) result.ranges_.push_back({*first, *cut->first.previous()});
      first = cut->last < range.last ? cut->last.next() : std::nullopt;
    }
    if (first) result.ranges_.push_back({*first, range.last});
  }
  return result;
}

}  // namespace ocsproxy::rules
