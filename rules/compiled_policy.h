// The rule table as it lies in memory: what rules/policy_compiler.cpp builds and
// rules/rule_table.cpp searches. Flat arrays that refer to each other by index, so that 100,000
// rules are a few big blocks and one decision touches a handful of cache lines.
//
// The idea: every (rule, path) pair that is enabled is an *entry*, numbered in the order of
// evaluation, so that "first match wins" is "the lowest matching entry wins". A request walks from
// the listener to the public names that fit, from there to the paths that fit, and finds at each
// the lowest entry for its address and method. What cannot match is never looked at.
#pragma once

#include <bitset>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <re2/re2.h>

#include "rules/address_atoms.h"
#include "rules/rule_table.h"

namespace ocsproxy::rules {

using EntryId = std::uint32_t;
inline constexpr EntryId kNoEntry = 0xffffffff;
inline constexpr std::uint32_t kNone = 0xffffffff;

struct Entry {
  std::uint32_t rule = 0;
  std::uint32_t path = 0;
  Verdict verdict = Verdict::deny;
};

// A run of elements of one of the arrays below.
struct Run {
  std::uint32_t begin = 0;
  std::uint32_t count = 0;
};

// Which entry a client address gets, among those that differ in nothing else.
struct AddressChoice {
  enum class Kind : std::uint8_t {
    single,     // `begin` is the set that has to contain the atom, `lowest` the entry
    few,        // choices[begin, begin + count), in order of entry
    intervals,  // intervals[begin, begin + count), sorted, the first at atom 0
    dense,      // entries_by_atom[begin + atom]
  };
  EntryId lowest = kNoEntry;  // of all that can come out
  std::uint32_t begin = 0;
  std::uint32_t count = 0;
  Kind kind = Kind::single;
};

struct SetChoice {
  std::uint32_t set = 0;
  EntryId entry = kNoEntry;
};

// From this atom on, up to the next interval.
struct AtomInterval {
  std::uint32_t first = 0;
  EntryId entry = kNoEntry;
};

inline constexpr std::uint32_t kAnyMethod = 0;  // others: 1 + index into CompiledPolicy::methods

// Entries with one name, one path and one method.
struct MethodGroup {
  std::uint32_t method = kAnyMethod;
  AddressChoice choice;
};

struct RegexGroup {
  std::uint32_t regex = 0;    // index into CompiledPolicy::regexes
  EntryId lowest = kNoEntry;  // of all methods
  Run methods;                // into method_groups
};

// One path below one bucket: what is published as exactly it, and as it and all below. The path is
// in lower case, without a "/" at its end unless the rule wrote "/file/"; "" is the root of "/*".
struct PathNode {
  std::uint32_t bucket = 0;
  std::uint32_t key_begin = 0;  // into `text`
  std::uint32_t key_size = 0;
  EntryId lowest = kNoEntry;
  Run exact;    // into method_groups
  Run prefix;   // into method_groups
  Run regexes;  // into regex_groups, in order of their lowest entry; all their paths lie below
};

// What is published under a public name. Names that stand in the same rules share one bucket.
struct Bucket {
  EntryId lowest = kNoEntry;
  std::uint32_t root = kNone;      // the PathNode of ""
  std::uint32_t longest_path = 0;  // of the other PathNodes; 0 when there are none
  bool allows = false;             // is an allow rule among them
};

enum class NameKind : std::uint8_t { exact, wildcard };  // wildcard: the text after "*."

struct PublicName {
  std::uint32_t scope = 0;
  std::uint32_t key_begin = 0;  // into `text`
  std::uint16_t key_size = 0;
  NameKind kind = NameKind::exact;
  std::uint32_t bucket = 0;
};

// A listener; the last one is for the rules that hold on every listener.
struct Scope {
  static constexpr std::size_t kMaxName = 254;
  EntryId lowest = kNoEntry;
  std::uint32_t any_name = kNone;        // bucket
  std::bitset<kMaxName> wildcard_sizes;  // how long the texts after "*." are
};

// Open addressing, at most half full. It keeps neither keys nor values: the caller says whether an
// index that has the hash is the one.
class HashIndex {
 public:
  explicit HashIndex(std::size_t count = 0);
  void insert(std::uint64_t hash, std::uint32_t index);

  template <typename IsIt>
  std::uint32_t find(std::uint64_t hash, const IsIt& is_it) const {
    const auto tag = static_cast<std::uint32_t>(hash >> 32);
    for (std::size_t at = hash & mask_;; at = (at + 1) & mask_) {
      const Slot& slot = slots_[at];
      if (slot.index == kNone) return kNone;
      if (slot.tag == tag && is_it(slot.index)) return slot.index;
    }
  }

 private:
  struct Slot {
    std::uint32_t tag = 0;
    std::uint32_t index = kNone;
  };
  std::vector<Slot> slots_;
  std::size_t mask_ = 0;
};

struct CompiledPolicy {
  // Who asks.
  AddressAtoms atoms;
  std::vector<std::uint32_t> network_by_atom;
  std::vector<std::string> network_names;
  AtomSets sets;
  std::vector<std::uint32_t> served_set;  // by listener

  // For which name.
  std::vector<Scope> scopes;
  std::vector<PublicName> names;
  HashIndex name_index;
  std::vector<Bucket> buckets;

  // For which path.
  std::vector<PathNode> nodes;
  HashIndex node_index;
  std::vector<RegexGroup> regex_groups;
  std::vector<std::unique_ptr<re2::RE2>> regexes;

  // By which method and from where.
  std::vector<std::string> methods;  // sorted
  std::vector<MethodGroup> method_groups;
  std::vector<SetChoice> choices;
  std::vector<AtomInterval> intervals;
  std::vector<EntryId> entries_by_atom;

  std::vector<Entry> entries;
  std::string text;  // the keys of names and paths

  std::string_view key(const PathNode& node) const {
    return std::string_view(text).substr(node.key_begin, node.key_size);
  }
  std::string_view key(const PublicName& name) const {
    return std::string_view(text).substr(name.key_begin, name.key_size);
  }
};

// The hashes that the indexes are built and asked with.
std::uint64_t name_hash(std::uint32_t scope, NameKind kind, std::string_view name);
// A path is hashed piece by piece, so that a walk over it has the hash at every "/": start with
// path_seed, then fold_hash with each piece, which begins at its "/".
std::uint64_t path_seed(std::uint32_t bucket);
// The end of the piece that begins at `begin`.
inline std::size_t piece_end(std::string_view path, std::size_t begin) {
  const auto slash = path.find('/', begin + 1);
  return slash == std::string_view::npos ? path.size() : slash;
}

// See RuleTable::compile.
CompiledPolicy compile_policy(const settings::Settings& settings,
                              std::span<const IpAddress> own_addresses, Findings& findings);

}  // namespace ocsproxy::rules
