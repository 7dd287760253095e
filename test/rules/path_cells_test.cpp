#include "rules/path_cells.h"

#include "policy_generator.h"
#include "rules/path_text.h"

namespace ocsproxy::rules {
namespace {

std::string text(const PathCells& cells, PathCell cell) {
  return cells.key(cell.key) + (cell.below ? "/*" : "");
}

std::string pair_of(const PathCells& cells, std::string_view path) {
  const PathPair pair = cells.find(path);
  return text(cells, pair.as_sent) + " | " + text(cells, pair.stripped);
}

TEST(PathCells, APathIsInTheCellOfTheLongestKeyAboveIt) {
  const PathCells cells({"/a", "/a/b", "/file/"});
  const std::vector<std::pair<std::string, std::string>> table = {
      {"/", "/* | /*"},
      {"/a", "/a | /a"},
      {"/A", "/a | /a"},
      {"/a/", "/a/* | /a/*"},
      {"/ab", "/* | /*"},
      {"/a/x/b", "/a/* | /a/*"},
      {"/a/b/c", "/a/b/* | /a/b/*"},
      {"/file/", "/file/ | /file/"},
      {"/file", "/* | /*"},
      {"/a;p", "/* | /a"},
      {"/a/b;p/c", "/a/* | /a/b/*"},
      {"/;p/a/b", "/* | /a/b"},
  };
  for (const auto& [path, expected] : table) EXPECT_EQ(pair_of(cells, path), expected) << path;
}

TEST(PathCells, AKeyWithParametersIsPairedWithWhatItIsWithout) {
  const PathCells cells({"/a;p", "/a/b"});
  EXPECT_EQ(pair_of(cells, "/a;p"), "/a;p | /a");
  EXPECT_EQ(pair_of(cells, "/a;p/b"), "/a;p/* | /a/b");
  EXPECT_EQ(pair_of(cells, "/a;q/b"), "/* | /a/b");
}

TEST(PathCells, EachPairHasACanonicalWitnessInIt) {
  const PathCells cells({"/a", "/a/b", "/a/b;p", "/;p", "/x", "/x/x", "/a/", "/", "/a;xx/b/c"});
  ASSERT_GT(cells.pairs().size(), 20U);
  for (const PathPair& pair : cells.pairs()) {
    const std::string witness = cells.witness(pair);
    EXPECT_TRUE(is_canonical(witness)) << witness;
    EXPECT_EQ(cells.find(witness), pair) << witness;
  }
}

// What lies below a directory that no request can name is no cell.
TEST(PathCells, AKeyThatNoCanonicalPathHasMakesNoPair) {
  const PathCells with({"/a", "/a b"}), without({"/a"});
  EXPECT_EQ(with.pairs().size(), without.pairs().size());
}

std::string described(const PathCells& cells, const std::vector<std::string>& paths) {
  std::set<PathPair> pairs;
  for (const std::string& path : paths) pairs.insert(cells.find(path));
  std::string result;
  for (const std::string& one : describe_paths(cells, std::vector(pairs.begin(), pairs.end()))) {
    result += (result.empty() ? "" : "; ") + one;
  }
  return result;
}

TEST(PathText, WritesTreesWithTheirHoles) {
  const PathCells cells({"/a", "/a/b", "/a/b/c", "/d"});
  EXPECT_EQ(described(cells, {"/a"}), "/a");
  EXPECT_EQ(described(cells, {"/a", "/a/x"}), "/a/* but not /a/b/*");
  EXPECT_EQ(described(cells, {"/a/x"}), "/a/* but not /a, /a/b/*");
  EXPECT_EQ(described(cells, {"/a", "/a/x", "/a/b", "/a/b/x", "/a/b/c", "/a/b/c/x"}), "/a/*");
  EXPECT_EQ(described(cells, {"/x", "/a/b/c", "/d", "/d/x"}), "/* but not /a/*; /a/b/c");
  EXPECT_EQ(described(cells, {"/a;p", "/a"}), "/a");
  EXPECT_EQ(described(cells, {"/a;p"}), "/a sent with ;parameters");
}

}  // namespace
}  // namespace ocsproxy::rules
