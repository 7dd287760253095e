#include "rules/path_text.h"

#include <algorithm>
#include <set>

namespace ocsproxy::rules {
namespace {

class Description {
 public:
  Description(const PathCells& cells, std::set<PathCell> set)
      : cells_(cells), set_(std::move(set)) {}

  std::vector<std::string> run() {
    add_tree(0);
    return std::move(items_);
  }

 private:
  std::string text(PathCell cell) const { return cells_.key(cell.key) + (cell.below ? "/*" : ""); }

  // In the set, or no path at all.
  bool is_in(PathCell cell) const { return set_.contains(cell) || !cells_.exists({cell, cell}); }

  // What of `key` and the keys below it is in the set, when nothing above is.
  void add_tree(std::uint32_t key) {
    const PathCell itself{key, false}, below{key, true};
    if (!set_.contains(below)) {
      if (set_.contains(itself)) items_.push_back(text(itself));
      for (const std::uint32_t child : cells_.children(key)) add_tree(child);
      return;
    }
    std::vector<std::string> holes;
    std::vector<std::uint32_t> islands;
    if (!is_in(itself)) holes.push_back(text(itself));
    add_holes(key, holes, islands);
    items_.push_back(text(below) + but_not(holes));
    for (const std::uint32_t island : islands) add_tree(island);
  }

  // What is not in the set below `key`, whose cell below is. Islands are holes in which something
  // may be in the set again.
  void add_holes(std::uint32_t key, std::vector<std::string>& holes,
                 std::vector<std::uint32_t>& islands) {
    for (const std::uint32_t child : cells_.children(key)) {
      const PathCell itself{child, false}, below{child, true};
      if (is_in(below)) {
        if (!is_in(itself)) holes.push_back(text(itself));
        add_holes(child, holes, islands);
      } else {
        holes.push_back(text(below));
        islands.push_back(child);
      }
    }
  }

  static std::string but_not(const std::vector<std::string>& holes) {
    std::string text;
    for (std::size_t i = 0; i < holes.size(); ++i) {
      text += (i == 0 ? " but not " : ", ") + holes[i];
    }
    return text;
  }

  const PathCells& cells_;
  const std::set<PathCell> set_;
  std::vector<std::string> items_;
};

}  // namespace

std::vector<std::string> describe_paths(const PathCells& cells, std::span<const PathPair> pairs) {
  std::set<PathCell> plain, stripped;
  std::vector<std::string> spelled;
  for (const PathPair& pair : pairs) {
    if (!pair.has_parameters()) plain.insert(pair.as_sent);
  }
  for (const PathPair& pair : pairs) {
    if (plain.contains(pair.as_sent) || plain.contains(pair.stripped)) continue;
    const std::string& key = cells.key(pair.as_sent.key);
    if (key.find(';') == std::string::npos) {
      stripped.insert(pair.stripped);
    } else {
      spelled.push_back(key + (pair.as_sent.below ? "/*" : ""));
    }
  }
  std::vector<std::string> result = Description(cells, std::move(plain)).run();
  spelled.erase(std::unique(spelled.begin(), spelled.end()), spelled.end());
  result.insert(result.end(), spelled.begin(), spelled.end());
  for (const std::string& path : Description(cells, std::move(stripped)).run()) {
    result.push_back(path + " sent with ;parameters");
  }
  return result;
}

}  // namespace ocsproxy::rules
