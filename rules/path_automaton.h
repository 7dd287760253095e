// Regexes over paths in a form that a decision can afford when each rule has one of its own. RE2
// builds its automaton while it runs, in objects and caches that are spread over the heap: fast for
// the second path, a trip to memory for each of some thirty places on the first. These are built
// with the table and lie packed in one array, a cache line or two for a usual pattern.
//
// They are position automata (Glushkov): one state for each character that the pattern writes, all
// states that are reached kept as the bits of a word, so the time is bounded by the length of the
// text and never by what it looks like. What a pattern may say is less than RE2's language; for
// what it cannot say there is no automaton, and RE2 is asked.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rules/byte_set.h"

namespace ocsproxy::rules {

// What a pattern's text says, before it is packed.
struct PathAutomaton {
  static constexpr std::size_t kMaxPositions = 62;
  using Positions = std::uint64_t;  // a bit each

  std::vector<ByteSet> sets;  // what stands at each position, letters in both cases
  std::array<Positions, kMaxPositions> follow{};
  Positions first = 0;
  Positions last = 0;
  bool nullable = false;  // the empty text matches
};

// Of a pattern that RE2 accepts with the options of the rule table (Latin-1, no case), matched as a
// whole. Empty for what is not understood here: flags, names of groups, \b, \Q, classes by name,
// anchors that are not at an end, bytes beyond ASCII, or more than kMaxPositions characters.
std::optional<PathAutomaton> read_path_automaton(std::string_view pattern);

// Takes off what every match ends with, and returns it, in lower case: ".aspx" of ".*\.aspx", which
// leaves ".*". What then matches is what comes before it.
std::string take_literal_suffix(PathAutomaton& automaton);

// All automata of a table. Immutable once they are built, so any thread may ask.
class PathAutomata {
 public:
  // Longer texts are RE2's, whose time for a byte does not grow with the pattern.
  static constexpr std::size_t kLongestText = 256;

  // `number`: of PathAutomataBuilder::add. Precondition, for the bound on time: `text` has at most
  // kLongestText bytes.
  bool matches(std::uint32_t number, std::string_view text) const;

 private:
  friend class PathAutomataBuilder;
  struct Head;
  using Set = std::array<std::uint64_t, 4>;
  // Of each its head, its irregular follow sets, and the numbers of its sets, four in a word.
  std::vector<std::uint64_t> words_;
  std::vector<Set> sets_;
};

class PathAutomataBuilder {
 public:
  // `into` must outlive this.
  explicit PathAutomataBuilder(PathAutomata& into) : into_(into) {}

  // -> its number, which equal ones share; empty when there are too many different sets of
  // characters in all.
  std::optional<std::uint32_t> add(const PathAutomaton& automaton);

 private:
  std::uint16_t number_of(const ByteSet& set);

  PathAutomata& into_;
  std::map<PathAutomata::Set, std::uint16_t> sets_;
  std::map<std::vector<std::uint64_t>, std::uint32_t> automata_;  // by their words
};

}  // namespace ocsproxy::rules
