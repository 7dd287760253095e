#include "proxy/flood_table.h"

#include <algorithm>
#include <mutex>
#include <tuple>

namespace ocsproxy {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;
constexpr std::chrono::milliseconds kMinute{60'000};

// The word that says whose an entry is: a tag of 40 bits, never 0 in use, and how many connections.
constexpr unsigned kTagShift = 24;
constexpr std::uint64_t kCountMask = (std::uint64_t{1} << kTagShift) - 1;
std::uint64_t tag_of(std::uint64_t holder) { return holder >> kTagShift; }
std::uint32_t open_of(std::uint64_t holder) {
  return static_cast<std::uint32_t>(holder & kCountMask);
}
std::uint32_t owner_of(std::uint64_t tag) { return static_cast<std::uint32_t>(tag & kCountMask); }

// How often a place is looked for whose address comes back first.
constexpr int kTries = 8;

constexpr std::size_t kMinuteCounts = 3;
std::size_t index_of(FloodLimit limit) {
  switch (limit) {
    case FloodLimit::connections_per_minute:
      return 0;
    case FloodLimit::requests_per_minute:
      return 1;
    default:
      return 2;
  }
}

// What is counted under `stamp` where `counted` stands. Workers read the clock once in a round of
// theirs, so one may still be in the minute that another has left; what it counts then is of the
// minute that has begun, which must not begin anew after it.
constexpr std::uint64_t kMinuteMask = 0xffff;
std::uint64_t begun(std::uint64_t counted, std::uint64_t stamp) {
  const std::uint64_t next = (stamp & ~kMinuteMask) | ((stamp + 1) & kMinuteMask);
  return counted == next ? next : stamp;
}

std::uint64_t stamp_of(std::uint32_t owner, std::uint32_t minute) {
  return std::uint64_t{owner} << 16 | (minute & kMinuteMask);
}

// Of an address that is counted together with others: its first 64 bits. IPv4 has a block of IPv6's
// reserved space (0::/8) to itself, and ::1 must not look like an empty place.
std::uint64_t word_of(const IpAddress& client) {
  if (client.is_v4()) return std::uint64_t{1} << 32 | client.v4();
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < 8; ++i) word = word << 8 | client.bytes()[i];
  return word;
}

}  // namespace

// ---- a count

bool MinuteCount::count(std::uint64_t stamp, std::uint32_t limit) {
  std::uint64_t word = word_.load(kRelaxed);
  while (word >> kStampShift != begun(word >> kStampShift, stamp)) {
    if (limit == 0) return false;
    if (word_.compare_exchange_weak(word, stamp << kStampShift | 1, kRelaxed)) return true;
  }
  if ((word & kCountMask) >= limit) return false;
  // Others may have reached it meanwhile; each of them adds one at most.
  return (word_.fetch_add(1, kRelaxed) & kCountMask) < limit;
}

std::uint32_t MinuteCount::value(std::uint64_t stamp) const {
  const std::uint64_t word = word_.load(kRelaxed);
  return word >> kStampShift == begun(word >> kStampShift, stamp)
             ? static_cast<std::uint32_t>(word & kCountMask)
             : 0;
}

// ---- entries

// The tags of a set lie together, for they are all looked at; what an address counts has a cache
// line of its own, for workers write it.
struct FloodHold::Set {
  struct alignas(64) Counts {
    std::array<MinuteCount, kMinuteCounts> minute;
    std::atomic<std::uint64_t> reported{0};  // the stamp, and a bit for each limit
    std::atomic<std::uint32_t> half_open{0};
  };
  alignas(64) std::array<std::atomic<std::uint64_t>, FloodTable::kWays> holders{};
  std::array<Counts, FloodTable::kWays> counts;
  // Of several threads that bring the same new address each could else take a place for it.
  std::mutex taking_a_place;
};

FloodHold& FloodHold::operator=(FloodHold&& other) noexcept {
  if (this != &other) {
    release();
    set_ = std::exchange(other.set_, nullptr);
    owner_ = other.owner_;
    way_ = other.way_;
    half_open_ = std::exchange(other.half_open_, false);
  }
  return *this;
}

void FloodHold::release() {
  if (set_ == nullptr) return;
  end_handshake();
  set_->holders[way_].fetch_sub(1, kRelaxed);
  set_ = nullptr;
}

std::uint64_t FloodHold::stamp(std::uint32_t minute) const { return stamp_of(owner_, minute); }

bool FloodHold::count(FloodLimit of, std::uint32_t minute, std::uint32_t limit) {
  return set_->counts[way_].minute[index_of(of)].count(stamp(minute), limit);
}

bool FloodHold::reached(FloodLimit of, std::uint32_t minute, std::uint32_t limit) const {
  return set_->counts[way_].minute[index_of(of)].value(stamp(minute)) >= limit;
}

bool FloodHold::begin_handshake(std::uint32_t limit) {
  std::atomic<std::uint32_t>& under_way = set_->counts[way_].half_open;
  if (under_way.fetch_add(1, kRelaxed) >= limit) {
    under_way.fetch_sub(1, kRelaxed);
    return false;
  }
  half_open_ = true;
  return true;
}

void FloodHold::end_handshake() {
  if (std::exchange(half_open_, false)) set_->counts[way_].half_open.fetch_sub(1, kRelaxed);
}

bool FloodHold::report(FloodLimit limit, std::uint32_t minute) {
  std::atomic<std::uint64_t>& reported = set_->counts[way_].reported;
  const std::uint64_t mine = stamp(minute);
  const std::uint64_t bit = std::uint64_t{1} << static_cast<unsigned>(limit);
  std::uint64_t word = reported.load(kRelaxed);
  while (true) {
    const std::uint64_t of = word >> kFloodLimits;
    const bool current = of == begun(of, mine);
    if (current && (word & bit) != 0) return false;
    const std::uint64_t next = (current ? word : mine << kFloodLimits) | bit;
    if (reported.compare_exchange_weak(word, next, kRelaxed)) return true;
  }
}

// ---- the table

struct FloodTable::Place {
  FloodHold::Set& set;
  std::uint64_t tag;
};

FloodTable::FloodTable(const HashKey& key, std::size_t sets)
    : key_(key), sets_(sets), table_(std::make_unique<FloodHold::Set[]>(sets)) {}

FloodTable::~FloodTable() = default;

FloodTable::Place FloodTable::place_of(const IpAddress& client) const {
  const std::uint64_t hash = keyed_hash(key_, word_of(client));
  const std::uint64_t tag = hash >> kTagShift;
  return {table_[hash & (sets_ - 1)], tag == 0 ? 1 : tag};
}

FloodTable::Entered FloodTable::enter(const IpAddress& client, std::uint32_t minute,
                                      std::uint32_t limit) {
  const auto [set, tag] = place_of(client);
  Entered entered = join(set, tag, limit);
  if (entered.hold || entered.full) return entered;
  const std::lock_guard alone(set.taking_a_place);
  entered = join(set, tag, limit);
  if (entered.hold || entered.full) return entered;
  return take(set, tag, minute);
}

// By the entry that the address has; empty when it has none.
FloodTable::Entered FloodTable::join(FloodHold::Set& set, std::uint64_t tag, std::uint32_t limit) {
  for (std::size_t way = 0; way < kWays; ++way) {
    std::uint64_t holder = set.holders[way].load(kRelaxed);
    while (tag_of(holder) == tag) {
      if (open_of(holder) >= limit) return {.hold = {}, .full = true};
      if (set.holders[way].compare_exchange_weak(holder, holder + 1, kRelaxed))
        return {.hold = FloodHold(set, owner_of(tag), static_cast<std::uint8_t>(way))};
    }
  }
  return {};
}

// A new entry; empty when all places have connections.
FloodTable::Entered FloodTable::take(FloodHold::Set& set, std::uint64_t tag, std::uint32_t minute) {
  for (int i = 0; i < kTries; ++i) {
    const int way = victim(set, minute);
    if (way < 0) break;
    std::atomic<std::uint64_t>& place = set.holders[static_cast<std::size_t>(way)];
    std::uint64_t holder = place.load(kRelaxed);
    if (open_of(holder) != 0) continue;  // its address is back meanwhile
    if (place.compare_exchange_strong(holder, tag << kTagShift | 1, kRelaxed)) {
      return {.hold = FloodHold(set, owner_of(tag), static_cast<std::uint8_t>(way)),
              .evicted = tag_of(holder) != 0};
    }
  }
  return {};
}

// Of the entries without connections the one that is missed least; -1: all have some.
int FloodTable::victim(const FloodHold::Set& set, std::uint32_t minute) {
  int best = -1;
  std::tuple<std::uint32_t, std::uint32_t> least{};
  for (std::size_t way = 0; way < kWays; ++way) {
    const std::uint64_t holder = set.holders[way].load(kRelaxed);
    if (tag_of(holder) == 0) return static_cast<int>(way);
    if (open_of(holder) != 0) continue;
    // How recent it is, with anything but the owner's own counts as old as can be; and how much.
    // The newest that there can be is of the next minute, which for others may have begun.
    std::uint32_t recent = 0;
    std::uint32_t did = 0;
    for (const MinuteCount& count : set.counts[way].minute) {
      const std::uint64_t stamp = count.stamp();
      if (stamp >> 16 != owner_of(tag_of(holder))) continue;
      const std::uint32_t age = (minute + 1 - static_cast<std::uint32_t>(stamp)) & 0xffff;
      recent = std::max(recent, 0xffff - age);
      if (age <= 1) did += count.value(stamp);
    }
    if (best < 0 || std::tuple(recent, did) < least) {
      best = static_cast<int>(way);
      least = {recent, did};
    }
  }
  return best;
}

bool FloodTable::may_report(std::uint32_t minute, std::uint32_t limit) {
  return reports_.count(stamp_of(0, minute), limit);
}

std::uint32_t FloodTable::connections(const IpAddress& client) const {
  const auto [set, tag] = place_of(client);
  std::uint32_t sum = 0;
  for (const auto& one : set.holders) {
    const std::uint64_t holder = one.load(kRelaxed);
    if (tag_of(holder) == tag) sum += open_of(holder);
  }
  return sum;
}

std::uint32_t FloodTable::minute(std::chrono::milliseconds now) {
  return static_cast<std::uint32_t>(now / kMinute);
}

std::uint32_t FloodTable::seconds_left(std::chrono::milliseconds now) {
  return static_cast<std::uint32_t>(
      std::chrono::ceil<std::chrono::seconds>(kMinute - now % kMinute).count());
}

AddressRange flood_address(const IpAddress& client) {
  if (client.is_v4()) return {client, client};
  IpAddress::Bytes first = client.bytes();
  IpAddress::Bytes last = first;
  std::fill(first.begin() + 8, first.end(), std::uint8_t{0});
  std::fill(last.begin() + 8, last.end(), std::uint8_t{0xff});
  return {IpAddress::from_v6(first), IpAddress::from_v6(last)};
}

}  // namespace ocsproxy
