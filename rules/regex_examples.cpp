#include "rules/regex_examples.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include "rules/byte_set.h"
#include "rules/canonical_target.h"

namespace ocsproxy::rules {
namespace {

using Texts = std::vector<std::string>;

constexpr std::size_t kMostTexts = 24;     // of a part of a pattern
constexpr std::size_t kLongestText = 512;  // longer ones are given up
constexpr int kDeepest = 100;              // groups in groups

// What to take of a set, the first two, and a slash: what a path most likely has.
constexpr std::string_view kLiked =
    "axb1-_.~ABCDEFGHIJKLMNOPQRSTUVWXYZcdefghijklmnopqrstuvwyz023456789!$&'()*+,;=:@%";

// For a character that stands for no class, itself.
ByteSet set_of_escape(char c) { return class_of_escape(c).value_or(set_of(c)); }

Texts texts_of(const ByteSet& set) {
  Texts texts;
  for (const char c : kLiked) {
    if (set.test(byte_of(c))) texts.emplace_back(1, c);
    if (texts.size() == 2) break;
  }
  if (set.test('/')) texts.emplace_back("/");
  return texts;
}

void add_all(Texts& texts, const Texts& more) {
  for (const std::string& one : more) {
    if (texts.size() == kMostTexts) return;
    if (std::ranges::find(texts, one) == texts.end()) texts.push_back(one);
  }
}

// Of the pairs those with a new first or a new second text come before the others, so that each
// part of the pattern is varied.
Texts joined(const Texts& first, const Texts& second) {
  Texts texts;
  const std::size_t pairs = first.size() * second.size();
  const auto add = [&](std::size_t i, std::size_t k) {
    const std::string text = first[i] + second[k];
    if (text.size() <= kLongestText) add_all(texts, {text});
  };
  for (std::size_t n = 0; pairs != 0 && n < std::max(first.size(), second.size()); ++n) {
    add(n % first.size(), n % second.size());
  }
  for (std::size_t n = 0; n < pairs && texts.size() < kMostTexts; ++n) {
    add(n % first.size(), n / first.size());
  }
  return texts;
}

// Reads what patterns for paths are made of. What it does not know it takes for itself, so that an
// example may be wrong: RE2 has the last word.
class Reader {
 public:
  explicit Reader(std::string_view pattern) : rest_(pattern) {}

  Texts alternatives(int depth = 0) {
    Texts texts = sequence(depth);
    while (take('|')) add_all(texts, sequence(depth));
    return texts;
  }

 private:
  bool at(char c) const { return rest_.starts_with(c); }

  bool take(char c) {
    if (!at(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }

  char next() {
    const char c = rest_.front();
    rest_.remove_prefix(1);
    return c;
  }

  Texts sequence(int depth) {
    Texts texts{""};
    while (!rest_.empty() && !at('|') && !at(')')) texts = joined(texts, repeated(atom(depth)));
    return texts;
  }

  Texts atom(int depth) {
    switch (const char c = next()) {
      case '(':
        return group(depth);
      case '[':
        return texts_of(bracket());
      case '.':
        return texts_of(~ByteSet());
      case '^':
      case '$':
        return {""};
      case '\\':
        return escape();
      default:
        return {std::string(1, c)};
    }
  }

  Texts escape() {
    if (rest_.empty()) return {};
    const char c = next();
    if (std::string_view("bBAz").find(c) != std::string_view::npos) return {""};
    return texts_of(set_of_escape(c));
  }

  // Behind its "(".
  Texts group(int depth) {
    if (depth == kDeepest) return {};
    if (take('?')) {
      // "?:", "?i:", "?P<name>", or flags alone: "?i)".
      while (!rest_.empty() && !at(':') && !at('>') && !at(')')) next();
      if (!rest_.empty() && !at(')')) next();
    }
    Texts texts = alternatives(depth + 1);
    take(')');
    return texts;
  }

  // Behind its "[".
  ByteSet bracket() {
    ByteSet set;
    const bool negated = take('^');
    for (bool first = true; !rest_.empty() && (first || !at(']')); first = false) {
      if (rest_.starts_with("[:")) {
        rest_.remove_prefix(std::min(rest_.find(":]"), rest_.size() - 2) + 2);
        set |= word_characters();
        continue;
      }
      const char begin = next();
      if (begin == '\\' && !rest_.empty()) {
        set |= set_of_escape(next());
      } else if (rest_.size() > 1 && at('-') && rest_[1] != ']') {
        next();
        set |= range_of(begin, next());
      } else {
        set |= set_of(begin);
      }
    }
    take(']');
    return negated ? ~set : set;
  }

  // "{2}", "{2,}", "{2,5}": the smallest number; one for anything else.
  std::size_t smallest_count() {
    std::size_t count = 1;
    const auto read = std::from_chars(rest_.data(), rest_.data() + rest_.size(), count);
    const std::size_t end = rest_.find('}');
    if (read.ec != std::errc() || end == std::string_view::npos) return 1;
    rest_.remove_prefix(end + 1);
    return std::min(count, kLongestText);
  }

  Texts repeated(const Texts& once) {
    Texts texts = once;
    if (take('*') || take('?')) {
      add_all(texts, {""});
    } else if (take('+')) {
      add_all(texts, joined(once, once));
    } else if (take('{')) {
      const std::size_t count = smallest_count();
      texts = {""};
      for (std::size_t i = 0; i < count && !texts.empty(); ++i) texts = joined(texts, once);
    } else {
      return texts;
    }
    take('?');  // as few as possible, which matters not
    return texts;
  }

  std::string_view rest_;
};

}  // namespace

std::vector<std::string> example_paths(const re2::RE2& regex) {
  std::vector<std::string> paths;
  for (const std::string& text : Reader(regex.pattern()).alternatives()) {
    std::string buffer(3 * text.size(), '\0');
    CanonicalTarget target;
    if (canonicalize(text, true, buffer, target) != TargetError::none) continue;
    if (reservation(target) != TargetError::none) continue;
    if (!target.authority.empty()) continue;
    if (re2::RE2::FullMatch(re2::StringPiece(target.path.data(), target.path.size()), regex)) {
      paths.emplace_back(target.path);
    }
  }
  return paths;
}

const std::vector<std::string>& RegexExamples::of(std::uint32_t regex) {
  const auto [known, is_new] = known_.try_emplace(regex);
  if (is_new) known->second = example_paths(*policy_.regexes[regex]);
  return known->second;
}

}  // namespace ocsproxy::rules
