// All canonical paths, cut into cells by the paths that some rules name: two paths of one cell are
// the same to every rule but to a regex.
//
// Rules judge a path as it was sent and without its ;parameters, so what is constant is the pair of
// both cells. There are not many pairs: the parameters that no rule names begin somewhere below the
// last directory that is named, so the second cell lies below the first one.
#pragma once

#include <compare>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace ocsproxy::rules {

// `below` the key: what begins with it and a "/", and lies neither at nor below a longer key.
// Else: the key itself.
struct PathCell {
  std::uint32_t key = 0;
  bool below = false;

  friend auto operator<=>(const PathCell&, const PathCell&) = default;
};

struct PathPair {
  PathCell as_sent;
  PathCell stripped;

  bool has_parameters() const { return as_sent != stripped; }
  friend auto operator<=>(const PathPair&, const PathPair&) = default;
};

// Immutable; any thread.
class PathCells {
 public:
  // `keys` as in CompiledPolicy::path_keys: in lower case, without the last "/" of a directory; ""
  // is the root, and is always there. In any order, and repeated as may be.
  explicit PathCells(std::vector<std::string> keys);
  PathCells(PathCells&&) = default;
  PathCells(const PathCells&) = delete;  // the index has views of the keys

  // Keys are numbered so that those below a key directly follow it.
  std::uint32_t size() const { return static_cast<std::uint32_t>(keys_.size()); }
  const std::string& key(std::uint32_t number) const { return keys_[number]; }
  // Precondition: `key` is one of the constructor's.
  std::uint32_t number(std::string_view key) const { return numbers_.find(key)->second; }
  // The next key above, itself for the root.
  std::uint32_t parent(std::uint32_t key) const { return parents_[key]; }

  // Every pair that a request can have.
  const std::vector<PathPair>& pairs() const { return pairs_; }
  // The pair of a canonical path.
  PathPair find(std::string_view path) const;
  // A canonical path of the pair, in lower case. A pair of `pairs()` has one.
  std::string witness(const PathPair& pair) const;

  bool exists(PathPair pair) const;
  // The keys right below one.
  std::vector<std::uint32_t> children(std::uint32_t key) const;

 private:
  PathCell cell_of(std::string_view path) const;
  void link();
  void add_pairs();
  void add_pair(PathPair pair);
  std::string plain_witness(PathCell cell) const;

  std::vector<std::string> keys_;
  std::unordered_map<std::string_view, std::uint32_t> numbers_;
  std::vector<std::uint32_t> parents_;
  std::vector<std::uint32_t> ends_;  // behind the last key below
  std::vector<PathPair> pairs_;
  std::string segment_;    // that no key has
  std::string parameter_;  // with its ";", that no key has
};

}  // namespace ocsproxy::rules
