// What each client address did in this minute and has open now: the counts of flood mitigation,
// shared by all workers.
//
// A table of fixed size, so that no number of addresses costs memory. An address is an IPv4 address
// or an IPv6 /64. A keyed hash gives it one set of kWays entries and a tag in it; who does not know
// the key can aim at no set. An address that is not in its set takes the place of an entry without
// open connections: an unused one, else the one that was quiet for longest, else the one that did
// least. What that entry had counted is forgotten. An entry with open connections is never taken.
// When all of a set have some, the new address is let in and not counted: to hold as many
// connections as that takes, from as many addresses, the limits for one address are of no concern,
// and to turn strangers away then would do the attacker's work.
//
// Relaxed atomics, and a lock of the set only to make an entry: an address has one, to however many
// workers it comes first at the same instant. An entry's tag and its number of connections are one
// word, so an entry cannot change hands under somebody who counts a connection in. The counts of a
// minute bear the tag and the minute that they are of, and are zero for any other; only who is
// still in the minute before, as a worker may be whose clock was read earlier, counts on in the
// later one.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "base/ip_address.h"
#include "base/keyed_hash.h"

namespace ocsproxy {

// In the order of the settings.
enum class FloodLimit : std::uint8_t {
  connections_per_minute,
  concurrent_connections,
  half_open,
  requests_per_minute,
  denied_per_minute,
};
inline constexpr std::size_t kFloodLimits = 5;

// A count that is of one minute and one owner, and zero to all others, but for the minute before.
class MinuteCount {
 public:
  // `stamp` is the owner and, in the low 16 bits, the minute: 40 bits. False when the count has
  // reached `limit`, and then it stays.
  bool count(std::uint64_t stamp, std::uint32_t limit);
  std::uint32_t value(std::uint64_t stamp) const;
  // Of any owner, or zero when nothing was counted yet.
  std::uint64_t stamp() const { return word_.load(std::memory_order_relaxed) >> kStampShift; }

 private:
  static constexpr unsigned kStampShift = 24;
  std::atomic<std::uint64_t> word_{0};
};

class FloodTable;

// What an open connection holds of its address's entry; counts it out when destroyed.
class FloodHold {
 public:
  FloodHold() = default;  // of an address that is not counted
  FloodHold(FloodHold&& other) noexcept
      : set_(std::exchange(other.set_, nullptr)),
        owner_(other.owner_),
        way_(other.way_),
        half_open_(std::exchange(other.half_open_, false)) {}
  FloodHold& operator=(FloodHold&& other) noexcept;
  ~FloodHold() { release(); }

  explicit operator bool() const { return set_ != nullptr; }

  // All below: precondition, it holds an entry. `minute` is FloodTable::minute.

  // One more, unless there are `limit` already.
  bool count(FloodLimit of, std::uint32_t minute, std::uint32_t limit);
  // Has the limit been reached?
  bool reached(FloodLimit of, std::uint32_t minute, std::uint32_t limit) const;
  // From now on one of at most `limit` handshakes.
  bool begin_handshake(std::uint32_t limit);
  void end_handshake();
  // True once an address, limit and minute.
  bool report(FloodLimit limit, std::uint32_t minute);

 private:
  friend class FloodTable;
  struct Set;
  FloodHold(Set& set, std::uint32_t owner, std::uint8_t way)
      : set_(&set), owner_(owner), way_(way) {}
  void release();
  std::uint64_t stamp(std::uint32_t minute) const;

  Set* set_ = nullptr;
  std::uint32_t owner_ = 0;  // a part of the tag
  std::uint8_t way_ = 0;
  bool half_open_ = false;
};

class FloodTable {
 public:
  static constexpr std::size_t kWays = 16;
  static constexpr std::size_t kSets = 4096;

  // `sets`: a power of two, at most 2^24.
  explicit FloodTable(const HashKey& key, std::size_t sets = kSets);
  ~FloodTable();
  FloodTable(const FloodTable&) = delete;  // holds point into it
  FloodTable& operator=(const FloodTable&) = delete;

  struct Entered {
    FloodHold hold;        // empty: full, or the table has no place
    bool full = false;     // the address has `limit` connections
    bool evicted = false;  // another address was forgotten for it
  };
  // Counts a connection of `client` in, one of at most `limit` (below 2^24).
  Entered enter(const IpAddress& client, std::uint32_t minute, std::uint32_t limit);

  // One of at most `limit` lines about floods in this minute, of all addresses together.
  bool may_report(std::uint32_t minute, std::uint32_t limit);

  // How many connections `client` has open, as far as they are counted.
  std::uint32_t connections(const IpAddress& client) const;

  // By the clock of Reactor::now, which all workers have in common.
  static std::uint32_t minute(std::chrono::milliseconds now);
  // Until the minute ends, rounded up.
  static std::uint32_t seconds_left(std::chrono::milliseconds now);

 private:
  struct Place;
  Place place_of(const IpAddress& client) const;
  static Entered join(FloodHold::Set& set, std::uint64_t tag, std::uint32_t limit);
  static Entered take(FloodHold::Set& set, std::uint64_t tag, std::uint32_t minute);
  static int victim(const FloodHold::Set& set, std::uint32_t minute);

  const HashKey key_;
  const std::size_t sets_;
  std::unique_ptr<FloodHold::Set[]> table_;
  MinuteCount reports_;
};

// The addresses that are counted together: one, or an IPv6 /64.
AddressRange flood_address(const IpAddress& client);

}  // namespace ocsproxy
