#include "rules/address_choice.h"

#include <algorithm>
#include <functional>
#include <queue>
#include <unordered_set>

namespace ocsproxy::rules {
namespace {

// Up to here asking one set after the other is cheaper than a search.
constexpr std::size_t kFew = 8;
// An array with a place for each atom may be this many times as large as the intervals it replaces.
constexpr std::size_t kDenseFactor = 4;

bool is_all(const CompiledPolicy& policy, std::uint32_t set) {
  const auto ranges = policy.sets.ranges(set);
  return ranges.size() == 1 && ranges[0] == AtomRange{0, policy.atoms.size() - 1};
}

// Without those that can never be chosen: no address, a set that was there before, or behind a set
// that holds every address.
std::vector<SetChoice> reachable(const CompiledPolicy& policy,
                                 const std::vector<SetChoice>& candidates) {
  std::vector<SetChoice> result;
  std::unordered_set<std::uint32_t> seen;
  for (const SetChoice& candidate : candidates) {
    if (policy.sets.ranges(candidate.set).empty() || !seen.insert(candidate.set).second) continue;
    result.push_back(candidate);
    if (is_all(policy, candidate.set)) break;
  }
  return result;
}

// Which entry holds from which atom on: a sweep over all ranges, with those that are open at each
// border in a heap, the lowest entry on top.
std::vector<AtomInterval> sweep(const CompiledPolicy& policy,
                                const std::vector<SetChoice>& candidates) {
  struct Open {
    EntryId entry;
    AtomRange atoms;
    bool operator>(const Open& other) const { return entry > other.entry; }
  };
  std::vector<Open> ranges;
  std::vector<std::uint32_t> borders{0};
  for (const SetChoice& candidate : candidates) {
    for (const AtomRange& atoms : policy.sets.ranges(candidate.set)) {
      ranges.push_back({candidate.entry, atoms});
      borders.push_back(atoms.first);
      borders.push_back(atoms.last + 1);
    }
  }
  std::sort(ranges.begin(), ranges.end(),
            [](const Open& a, const Open& b) { return a.atoms.first < b.atoms.first; });
  std::sort(borders.begin(), borders.end());
  borders.erase(std::unique(borders.begin(), borders.end()), borders.end());

  std::vector<AtomInterval> result;
  std::priority_queue<Open, std::vector<Open>, std::greater<>> open;
  auto next = ranges.begin();
  for (const std::uint32_t border : borders) {
    for (; next != ranges.end() && next->atoms.first == border; ++next) open.push(*next);
    while (!open.empty() && open.top().atoms.last < border) open.pop();
    const EntryId entry = open.empty() ? kNoEntry : open.top().entry;
    if (result.empty() || result.back().entry != entry) result.push_back({border, entry});
  }
  return result;
}

AddressChoice build_dense(CompiledPolicy& policy, const std::vector<AtomInterval>& intervals) {
  AddressChoice choice;
  choice.kind = AddressChoice::Kind::dense;
  choice.begin = static_cast<std::uint32_t>(policy.entries_by_atom.size());
  choice.count = policy.atoms.size();
  for (std::size_t i = 0; i < intervals.size(); ++i) {
    const std::uint32_t end =
        i + 1 < intervals.size() ? intervals[i + 1].first : policy.atoms.size();
    policy.entries_by_atom.insert(policy.entries_by_atom.end(), end - intervals[i].first,
                                  intervals[i].entry);
  }
  return choice;
}

template <typename T>
AddressChoice build_run(AddressChoice::Kind kind, std::vector<T>& array,
                        const std::vector<T>& elements) {
  AddressChoice choice;
  choice.kind = kind;
  choice.begin = static_cast<std::uint32_t>(array.size());
  choice.count = static_cast<std::uint32_t>(elements.size());
  array.insert(array.end(), elements.begin(), elements.end());
  return choice;
}

}  // namespace

AddressChoice build_choice(CompiledPolicy& policy, const std::vector<SetChoice>& candidates) {
  const std::vector<SetChoice> left = reachable(policy, candidates);
  AddressChoice choice;
  if (left.empty()) return choice;
  if (left.size() == 1) {
    choice.begin = left[0].set;
  } else if (left.size() <= kFew) {
    choice = build_run(AddressChoice::Kind::few, policy.choices, left);
  } else {
    const std::vector<AtomInterval> intervals = sweep(policy, left);
    choice = policy.atoms.size() <= kDenseFactor * intervals.size()
                 ? build_dense(policy, intervals)
                 : build_run(AddressChoice::Kind::intervals, policy.intervals, intervals);
  }
  choice.lowest = left[0].entry;
  return choice;
}

}  // namespace ocsproxy::rules
