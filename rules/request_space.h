// The algebra of policies: every request that one policy, or either of two, can be asked about, cut
// into areas in which all requests are the same to every rule but to a regex.
//
// An area is a product: a listener, names, a pair of path cells, a method and a range of addresses.
// The cuts are those of the compiled tables. The work is done name by name, and names that stand in
// the same rules are one group, so it grows with the entries of the tables and not with their
// pairs.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rules/compiled_policy.h"
#include "rules/name_classes.h"
#include "rules/path_cells.h"
#include "rules/rule_table.h"

namespace ocsproxy::rules {

struct Policy {
  const settings::Settings* settings;
  const RuleTable* table;
};

// An entry that matches the requests of an area: for certain, or if its regex does.
struct Match {
  EntryId entry = kNoEntry;
  std::uint32_t regex = kNone;  // index into CompiledPolicy::regexes; kNone: for certain

  bool is_certain() const { return regex == kNone; }
};

// What one policy has for an area. Both lists are in order of evaluation and complete: what stands
// behind the first certain match is what that one covers.
struct Matches {
  bool served = false;          // may these clients use the listener?
  std::vector<Match> as_sent;   // for the path with its ;parameters
  std::vector<Match> stripped;  // and without
};

// Names that stand in the same rules, below one listener.
struct RequestGroup {
  std::uint32_t listener = 0;        // index into RequestSpace::listeners
  std::vector<std::uint32_t> names;  // classes, sorted
  PathCells cells;
  std::vector<std::string> methods;  // sorted; the index behind the last one is every other method

  // A method of this index that clients use.
  std::string method_witness(std::uint32_t method) const;
  std::uint32_t find_method(std::string_view method) const;
};

struct Area {
  const std::shared_ptr<const RequestGroup>& group;
  PathPair pair;
  std::uint32_t method = 0;
  AtomRange atoms;                   // of the space
  std::span<const Matches> matches;  // by policy
};

// Immutable; any thread. The policies outlive the space.
class RequestSpace {
 public:
  struct Listener {
    std::string name;
    std::vector<std::uint32_t> numbers;  // by policy; kNone: it has no such listener
  };
  // Appends more paths to cut at, below the names that the entry stands under.
  using MoreKeys = std::function<void(EntryId entry, std::vector<std::string>& keys)>;

  // One or two policies.
  explicit RequestSpace(std::vector<Policy> policies);

  const std::vector<Policy>& policies() const { return policies_; }
  const std::vector<Listener>& listeners() const { return listeners_; }
  const NameClasses& names() const { return names_; }
  // The atoms that no range of any of the policies cuts.
  const AddressAtoms& atoms() const { return atoms_; }

  // Calls `visit` with every area that one of the policies serves. Those of a group stand together.
  void for_each_area(const std::function<void(const Area&)>& visit,
                     const MoreKeys& more = nullptr) const;

 private:
  bool ways_in_differ(std::uint32_t listener) const;
  void visit_listener(std::uint32_t listener, const std::function<void(const Area&)>& visit,
                      const MoreKeys& more) const;

  std::vector<Policy> policies_;
  std::vector<Listener> listeners_;
  NameClasses names_;
  AddressAtoms atoms_;
  // By policy and its own atom the first atom of the space; one more at the end.
  std::vector<std::vector<std::uint32_t>> first_atoms_;
  // By policy and regex, what each path that it matches begins with.
  std::vector<std::vector<std::string>> regex_prefixes_;
  // By policy and bucket, where its records begin; one more at the end.
  std::vector<std::vector<std::uint32_t>> first_records_;
};

// What `decide` can answer in an area: one decision where no regex is in doubt, else all that the
// regexes leave possible. Precondition: `matches.served`.
std::vector<Decision> possible_decisions(const Matches& matches);
// The regexes that have a say in it, as indexes into CompiledPolicy::regexes.
std::set<std::uint32_t> doubtful_regexes(const Matches& matches);

}  // namespace ocsproxy::rules
