// The rule table as it lies in memory: what rules/policy_compiler.cpp builds and
// rules/rule_table.cpp searches. Flat arrays that refer to each other by index, so that 100,000
// rules are a few big blocks and one decision touches a handful of cache lines.
//
// The idea: every (rule, path) pair that is enabled is an *entry*, ordered as the rules are
// evaluated, so that "first match wins" is "the lowest matching entry wins". A request walks from
// the listener to the public names that fit, from there to the paths that fit, and finds at each
// the lowest entry for its address and method. What cannot match is never looked at.
//
// With many rules a decision costs what its cache misses cost. So an entry carries the decision in
// itself, records are one cache line with their key inside, and what is the whole truth in most
// policies (a name with one rule, a path with one rule) stands in the record.
#pragma once

#include <algorithm>
#include <array>
#include <bitset>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include <re2/re2.h>

#include "rules/address_atoms.h"
#include "rules/path_automaton.h"
#include "rules/rule_forms.h"
#include "rules/rule_table.h"

namespace ocsproxy::rules {

inline constexpr std::uint32_t kNone = 0xffffffff;

// How many, as the arrays below count. 32 bits are enough for what memory can hold of them.
std::uint32_t size32(const auto& container) { return static_cast<std::uint32_t>(container.size()); }

// Rule, path and verdict, from the highest bit down: compares in the order of evaluation.
enum class EntryId : std::uint64_t {};
inline constexpr EntryId kNoEntry{0xffffffffffffffff};

constexpr EntryId make_entry(std::uint32_t rule, std::uint32_t path, Verdict verdict) {
  return EntryId{std::uint64_t{rule} << 32 | std::uint64_t{path} << 2 |
                 static_cast<std::uint64_t>(verdict)};
}
constexpr Decision to_decision(EntryId entry) {
  const auto bits = static_cast<std::uint64_t>(entry);
  if (entry == kNoEntry) return {};
  return {static_cast<Verdict>(bits & 3), static_cast<std::uint32_t>(bits >> 32),
          static_cast<std::uint32_t>(bits & 0xffffffff) >> 2};
}

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

// A key in lower case: inside the record when it is short, else in CompiledPolicy::text.
template <std::size_t kInside>
struct Key {
  std::uint32_t begin = 0;  // into `text`
  std::array<char, kInside> inside{};

  std::string_view view(std::size_t size, const std::string& text) const {
    return size <= kInside ? std::string_view(inside.data(), size)
                           : std::string_view(text).substr(begin, size);
  }
  void set(std::string_view key, std::string& text) {
    if (key.size() <= kInside) {
      std::copy(key.begin(), key.end(), inside.begin());
    } else {
      begin = size32(text);
      text += key;
    }
  }
};

// One regex in one node.
struct alignas(64) RegexGroup {
  EntryId lowest = kNoEntry;        // of all methods
  std::uint32_t regex = 0;          // index into CompiledPolicy::regexes
  std::uint32_t automaton = kNone;  // in CompiledPolicy::automata, for what lies between; or kNone
  Run methods;                      // into method_groups; or none: `begin` is the set of `lowest`
  std::uint16_t node_size = 0;      // the path of the node
  std::uint16_t prefix_size = 0;    // what has to come next in the path, the first part of the key
  std::uint16_t suffix_size = 0;    // what the path has to end with, the other part
  Key<24> key;
};
static_assert(sizeof(RegexGroup) == 64);

// One entry under one path of one bucket for one method.
struct Record {
  std::uint32_t bucket;
  std::uint32_t path;  // index into CompiledPolicy::path_keys
  Way way;
  std::uint32_t regex;  // 0 unless `way` is regex
  std::uint32_t method;
  SetChoice choice;

  auto key() const { return std::tie(bucket, path, way, regex, method, choice.entry); }
  bool same_node(const Record& other) const { return bucket == other.bucket && path == other.path; }
  bool same_way(const Record& other) const {
    return same_node(other) && way == other.way && regex == other.regex;
  }
  bool same_group(const Record& other) const { return same_way(other) && method == other.method; }
};
using Records = std::vector<Record>;

// All that a PathNode can hold when it is not one entry alone.
struct Branch {
  Run exact;    // into method_groups
  Run prefix;   // into method_groups
  Run regexes;  // into regex_groups, in order of their lowest entry; all their paths lie below
};

// One path below one bucket: what is published as exactly it, and as it and all below. The path is
// without a "/" at its end unless the rule wrote "/file/"; "" is the root of "/*".
struct alignas(64) PathNode {
  enum class Kind : std::uint8_t { exact, prefix, regex, branch };
  EntryId lowest = kNoEntry;
  std::uint32_t bucket = 0;
  std::uint32_t key_size = 0;
  // exact and prefix: one entry, `lowest`, for every method, and `index` is its set. regex and
  // branch: `index` is into CompiledPolicy::regex_groups or branches.
  std::uint32_t index = 0;
  Kind kind = Kind::branch;
  Key<36> key;
};
static_assert(sizeof(PathNode) == 64);

// What is published under a public name. Names that stand in the same rules share its number.
struct Bucket {
  EntryId lowest = kNoEntry;
  std::uint32_t number = kNone;    // kNone: there is none
  std::uint32_t root = kNone;      // the PathNode of "", or, when `plain`, a set
  std::uint32_t longest_path = 0;  // of the other PathNodes; 0 when there are none
  bool plain = false;              // one entry for all paths and methods, which is `lowest`
  bool allows = false;             // is an allow rule among them
};

struct alignas(64) PublicName {
  Bucket bucket;
  std::uint16_t scope = 0;
  NameKind kind = NameKind::exact;
  std::uint8_t key_size = 0;
  Key<32> key;
};
static_assert(sizeof(PublicName) == 64);

// A listener; the last one is for the rules that hold on every listener.
struct Scope {
  static constexpr std::size_t kMaxName = 253;  // of a request (RFC 1035 3.1)
  EntryId lowest = kNoEntry;
  Bucket any_name;
  bool has_wildcards = false;
  std::bitset<kMaxName + 1> wildcard_sizes;  // how long the texts after "*." are
};

// Open addressing, at most half full. A slot is an index in its low bits and part of the hash in
// the others; it is the caller who compares keys. Four bytes a slot keep the index of 100,000
// records in the second-level cache, so that a look for what is not there costs no trip to memory.
class HashIndex {
 public:
  // For the indexes 0 to `count` - 1.
  explicit HashIndex(std::size_t count = 0);
  void insert(std::uint64_t hash, std::uint32_t index);

  template <typename IsIt>
  std::uint32_t find(std::uint64_t hash, const IsIt& is_it) const {
    const std::uint32_t tag = tag_of(hash);
    for (std::size_t at = hash & mask_;; at = (at + 1) & mask_) {
      const std::uint32_t slot = slots_[at];
      if (slot == kNone) return kNone;
      const std::uint32_t index = slot & index_mask_;
      if (slot - index == tag && is_it(index)) return index;
    }
  }

 private:
  std::uint32_t tag_of(std::uint64_t hash) const {
    return static_cast<std::uint32_t>(hash >> 32) & ~index_mask_;
  }
  std::vector<std::uint32_t> slots_;
  std::size_t mask_ = 0;
  std::uint32_t index_mask_ = 0;
};

struct CompiledPolicy {
  // Who asks.
  AddressAtoms atoms;
  std::vector<std::uint32_t> network_by_atom;
  std::vector<std::string> network_names;
  AtomSets sets;
  std::vector<std::uint32_t> served_set;   // by listener
  std::vector<std::uint32_t> set_by_rule;  // kNone for one that is not enabled

  // For which name.
  std::vector<Scope> scopes;
  std::vector<PublicName> names;
  HashIndex name_index;

  // For which path.
  std::vector<PathNode> nodes;
  HashIndex node_index;
  std::vector<Branch> branches;
  std::vector<RegexGroup> regex_groups;
  std::vector<std::unique_ptr<re2::RE2>> regexes;
  PathAutomata automata;

  // By which method and from where.
  std::vector<std::string> methods;  // sorted
  std::vector<MethodGroup> method_groups;
  std::vector<SetChoice> choices;
  std::vector<AtomInterval> intervals;
  std::vector<EntryId> entries_by_atom;

  std::string text;  // the keys that are too long for their records

  // Every entry, those also that no request reaches, by bucket: what the records above were made
  // of. A decision does not look at them; the algebra does.
  Records records;
  std::vector<std::string> path_keys;
};

// The hashes that the indexes are built and asked with.
std::uint64_t name_hash(std::uint32_t scope, NameKind kind, std::string_view name);
// A path is hashed piece by piece, so that a walk over it has the hash at every "/": start with
// path_seed, then fold_hash with each piece, which begins at its "/".
std::uint64_t path_seed(std::uint32_t bucket);
std::uint64_t path_hash(std::uint32_t bucket, std::string_view path);  // the whole walk
// The end of the piece that begins at `begin`.
inline std::size_t piece_end(std::string_view path, std::size_t begin) {
  const auto slash = path.find('/', begin + 1);
  return slash == std::string_view::npos ? path.size() : slash;
}

// See RuleTable::compile.
CompiledPolicy compile_policy(const settings::Settings& settings,
                              std::span<const IpAddress> own_addresses, Findings& findings);

}  // namespace ocsproxy::rules
