#include "rules/path_automaton.h"

#include <algorithm>
#include <bit>
#include <charconv>

#include "base/text.h"

namespace ocsproxy::rules {
namespace {

using Positions = PathAutomaton::Positions;

constexpr Positions bit(std::size_t position) { return Positions{1} << position; }

// Calls `visit` with each position of the set, in order.
template <typename Visit>
void for_each(Positions set, const Visit& visit) {
  for (; set != 0; set &= set - 1) visit(static_cast<std::size_t>(std::countr_zero(set)));
}

ByteSet without_case(ByteSet set) {
  for (char c = 'a'; c <= 'z'; ++c) {
    const std::size_t small = byte_of(c);
    const std::size_t large = small - ('a' - 'A');
    const bool either = set.test(small) || set.test(large);
    set.set(small, either).set(large, either);
  }
  return set;
}

bool is_ascii(char c) { return static_cast<unsigned char>(c) < 0x80; }
bool is_word(char c) { return is_alpha(c) || is_digit(c) || c == '_'; }
bool is_punctuation(char c) { return c > ' ' && c < 0x7f && !is_word(c); }

// What a part of the pattern matches, as positions of the whole.
struct Part {
  Positions first = 0;
  Positions last = 0;
  bool nullable = true;
};

// Reads a pattern once from left to right. Whatever it does not know ends it: `failed`.
class Reader {
 public:
  explicit Reader(std::string_view pattern) : rest_(pattern) {}

  std::optional<PathAutomaton> read() {
    const Part whole = alternatives(0);
    if (failed_ || !rest_.empty()) return std::nullopt;
    automaton_.first = whole.first;
    automaton_.last = whole.last;
    automaton_.nullable = whole.nullable;
    return std::move(automaton_);
  }

 private:
  static constexpr int kDeepest = 20;      // groups in groups
  static constexpr int kMostCopies = 62;   // of a part that is repeated a number of times
  static constexpr int kMostParts = 1000;  // that are read, copies too

  bool at(char c) const { return rest_.starts_with(c); }
  bool take(std::string_view text) {
    if (!rest_.starts_with(text)) return false;
    rest_.remove_prefix(text.size());
    return true;
  }
  char next() {
    if (rest_.empty()) {
      failed_ = true;
      return 0;
    }
    const char c = rest_.front();
    rest_.remove_prefix(1);
    return c;
  }
  Part fail() {
    failed_ = true;
    rest_ = {};
    return {};
  }

  Part alternatives(int depth) {
    Part all = sequence(depth);
    while (take("|")) {
      const Part other = sequence(depth);
      all.first |= other.first;
      all.last |= other.last;
      all.nullable = all.nullable || other.nullable;
    }
    return all;
  }

  // The whole of a path is matched, so an anchor at the ends of the pattern says nothing more.
  Part sequence(int depth) {
    if (depth == 0) (void)take("^");
    Part all;
    while (!rest_.empty() && !at('|') && !at(')')) {
      if (depth == 0 && (rest_ == "$" || rest_.starts_with("$|"))) {
        (void)take("$");
        break;
      }
      all = joined(all, repeated(depth));
    }
    return all;
  }

  Part joined(const Part& a, const Part& b) {
    for_each(a.last, [&](std::size_t position) { automaton_.follow[position] |= b.first; });
    return {a.first | (a.nullable ? b.first : 0), b.last | (b.nullable ? a.last : 0),
            a.nullable && b.nullable};
  }

  Part looped(const Part& part) {
    for_each(part.last, [&](std::size_t position) { automaton_.follow[position] |= part.first; });
    return part;
  }

  static Part optional(Part part) {
    part.nullable = true;
    return part;
  }

  Part repeated(int depth) {
    const std::string_view begin = rest_;
    Part part = atom(depth);
    if (take("*")) {
      part = optional(looped(part));
    } else if (take("+")) {
      part = looped(part);
    } else if (take("?")) {
      part = optional(part);
    } else if (at('{')) {
      part = counted(part, begin, depth);
    } else {
      return part;
    }
    (void)take("?");  // as few as possible, which matters not to a whole match
    if (at('*') || at('+') || at('?') || at('{')) return fail();
    return part;
  }

  // "{2}", "{2,}", "{2,5}": the part is read once more for each copy, from `begin`.
  Part counted(const Part& once, std::string_view begin, int depth) {
    const std::size_t end = rest_.find('}');
    if (end == std::string_view::npos) return fail();
    const std::string_view text = rest_.substr(1, end - 1);
    const std::string_view behind = rest_.substr(end + 1);
    const std::size_t comma = text.find(',');
    const auto least = number(text.substr(0, comma));
    const bool without_end = comma != std::string_view::npos && comma + 1 == text.size();
    const auto most =
        comma == std::string_view::npos || without_end ? least : number(text.substr(comma + 1));
    if (!least || !most || *most < *least || *most == 0) return fail();
    Part all;
    for (int i = 0; i < *most && !failed_; ++i) {
      Part copy = once;
      if (i != 0) {
        rest_ = begin;
        copy = atom(depth);
      }
      if (without_end && i + 1 == *most) copy = looped(copy);
      all = joined(all, i < *least ? copy : optional(copy));
    }
    if (!failed_) rest_ = behind;
    return all;
  }

  static std::optional<int> number(std::string_view text) {
    int value = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
    if (read.ec != std::errc() || read.ptr != text.data() + text.size()) return std::nullopt;
    return value > kMostCopies ? std::nullopt : std::optional(value);
  }

  Part atom(int depth) {
    if (++parts_ > kMostParts) return fail();
    const char c = next();
    switch (c) {
      case '(':
        return group(depth);
      case '[':
        return bracket();
      case '.':
        return one_of(~set_of('\n'));
      case '\\': {
        const char escaped = next();
        if (const auto set = class_of_escape(escaped)) return one_of(*set);
        return is_punctuation(escaped) ? one(escaped) : fail();
      }
      case '^':
      case '$':
      case '*':
      case '+':
      case '?':
      case '{':
      case '}':
      case ']':
      case 0:
        return fail();
      default:
        return is_ascii(c) ? one(c) : fail();
    }
  }

  // Behind its "(".
  Part group(int depth) {
    if (depth == kDeepest) return fail();
    if (at('?') && !take("?:")) return fail();
    const Part part = alternatives(depth + 1);
    return take(")") ? part : fail();
  }

  // Behind its "[".
  Part bracket() {
    ByteSet set;
    const bool negated = take("^");
    for (bool first = true; first || !at(']'); first = false) {
      const char begin = next();
      if (failed_ || !is_ascii(begin) || begin == '[' || (begin == '-' && !first && !at(']')))
        return fail();
      if (begin == '\\') {
        const char escaped = next();
        const auto named = class_of_escape(escaped);
        if (!named && !is_punctuation(escaped)) return fail();
        set |= named ? *named : set_of(escaped);
        if (at('-') && !rest_.starts_with("-]")) return fail();
      } else if (at('-') && !rest_.starts_with("-]")) {
        next();
        const char last = next();
        if (!is_word(last) || last < begin) return fail();
        set |= range_of(begin, last);
      } else {
        set.set(byte_of(begin));
      }
    }
    (void)take("]");
    set = without_case(set);
    return one_of(negated ? ~set : set);
  }

  Part one(char c) { return one_of(without_case(set_of(c))); }

  Part one_of(const ByteSet& set) {
    if (automaton_.sets.size() == PathAutomaton::kMaxPositions) return fail();
    const Positions position = bit(automaton_.sets.size());
    automaton_.sets.push_back(set);
    return {position, position, false};
  }

  std::string_view rest_;
  bool failed_ = false;
  int parts_ = 0;
  PathAutomaton automaton_;
};

constexpr std::size_t kSetsInWord = 4;
constexpr std::size_t kMostSets = 65536;  // of all automata, as numbers of 16 bits count them

}  // namespace

std::optional<PathAutomaton> read_path_automaton(std::string_view pattern) {
  return Reader(pattern).read();
}

std::string take_literal_suffix(PathAutomaton& automaton) {
  std::string suffix;
  while (!automaton.sets.empty() && !automaton.nullable) {
    const std::size_t last = automaton.sets.size() - 1;
    const ByteSet& set = automaton.sets[last];
    char c = 0;
    for (std::size_t byte = 0; byte < 0x80; ++byte) {
      if (set.test(byte)) c = static_cast<char>(byte);  // of a letter the small one
    }
    if (automaton.last != bit(last) || automaton.follow[last] != 0) break;
    if (set != without_case(set_of(c))) break;
    // Whatever came before the last character now comes last.
    automaton.last = 0;
    for (std::size_t i = 0; i < last; ++i) {
      if ((automaton.follow[i] & bit(last)) != 0) automaton.last |= bit(i);
      automaton.follow[i] &= ~bit(last);
    }
    automaton.nullable = (automaton.first & bit(last)) != 0;
    automaton.first &= ~bit(last);
    automaton.sets.pop_back();
    suffix += c;
  }
  std::reverse(suffix.begin(), suffix.end());
  return suffix;
}

// Most positions are followed by the next one alone; only of the others is a set kept.
struct PathAutomata::Head {
  static constexpr std::size_t kWords = 4;
  static constexpr Positions kNullable = bit(63);

  Positions first;  // and kNullable
  Positions last;
  Positions regular;    // followed by the next one, and by nothing else
  Positions irregular;  // those that have a follow set, in order; what is in neither is followed by
                        // nothing
};

std::optional<std::uint32_t> PathAutomataBuilder::add(const PathAutomaton& automaton) {
  using Head = PathAutomata::Head;
  if (into_.sets_.size() + automaton.sets.size() > kMostSets) return std::nullopt;
  Head head{automaton.first | (automaton.nullable ? Head::kNullable : 0), automaton.last, 0, 0};
  std::vector<Positions> follow;
  for (std::size_t i = 0; i < automaton.sets.size(); ++i) {
    if (automaton.follow[i] == bit(i + 1)) {
      head.regular |= bit(i);
    } else if (automaton.follow[i] != 0) {
      head.irregular |= bit(i);
      follow.push_back(automaton.follow[i]);
    }
  }
  std::vector<std::uint64_t> words{head.first, head.last, head.regular, head.irregular};
  words.insert(words.end(), follow.begin(), follow.end());
  for (std::size_t i = 0; i < automaton.sets.size(); ++i) {
    if (i % kSetsInWord == 0) words.push_back(0);
    words.back() |= std::uint64_t{number_of(automaton.sets[i])} << (i % kSetsInWord * 16);
  }
  const auto [known, is_new] =
      automata_.try_emplace(words, static_cast<std::uint32_t>(into_.words_.size()));
  if (is_new) into_.words_.insert(into_.words_.end(), words.begin(), words.end());
  return known->second;
}

std::uint16_t PathAutomataBuilder::number_of(const ByteSet& set) {
  PathAutomata::Set words{};
  for (std::size_t c = 0; c < set.size(); ++c) {
    if (set.test(c)) words[c / 64] |= bit(c % 64);
  }
  const auto [known, is_new] =
      sets_.try_emplace(words, static_cast<std::uint16_t>(into_.sets_.size()));
  if (is_new) into_.sets_.push_back(words);
  return known->second;
}

bool PathAutomata::matches(std::uint32_t number, std::string_view text) const {
  const std::uint64_t* const words = words_.data() + number;
  const Head head{words[0], words[1], words[2], words[3]};
  if (text.empty()) return (head.first & Head::kNullable) != 0;
  const std::uint64_t* const follow = words + Head::kWords;
  const std::uint64_t* const sets = follow + std::popcount(head.irregular);
  Positions next = head.first & ~Head::kNullable;
  Positions reached = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    reached = 0;
    for_each(next, [&](std::size_t position) {
      const auto set = sets[position / kSetsInWord] >> (position % kSetsInWord * 16) & 0xffff;
      reached |= (sets_[set][byte / 64] >> (byte % 64) & 1) << position;
    });
    if (reached == 0) return false;
    next = (reached & head.regular) << 1;
    for_each(reached & head.irregular, [&](std::size_t position) {
      next |= follow[std::popcount(head.irregular & (bit(position) - 1))];
    });
  }
  return (reached & head.last) != 0;
}

}  // namespace ocsproxy::rules
