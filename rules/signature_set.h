// Regexes that are looked for together: one pass over a text, however many there are. Immutable
// once compiled, shared by all threads: RE2 keeps a bounded cache of its own, with a lock on it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <re2/set.h>

namespace ocsproxy::rules {

class SignatureSet {
 public:
  // Of the program and its cache together; RE2 refuses a set that does not fit.
  static constexpr std::int64_t kMemory = std::int64_t{8} << 20;

  enum class Outcome : std::uint8_t {
    none,       // no signature is in the text
    found,      // at least one is
    exhausted,  // RE2 ran out of its memory: nothing is known of the text
  };

  // What RE2 or we have against a pattern, and the part of it that is at fault ("" for the whole).
  struct Fault {
    std::string why;
    std::string fragment;
  };
  // `in_head`: the text is lines of a head, which have no begin and end of their own.
  static std::optional<Fault> fault_of(const std::string& pattern, bool in_head);

  explicit SignatureSet(std::int64_t memory = kMemory);

  // Precondition: the pattern has no fault. Case does not matter to it, and ^ and $ stand at the
  // ends of lines too.
  void add(const std::string& pattern);
  // False: all together are too large. To be called once, after the last `add`.
  bool compile();

  bool empty() const { return count_ == 0; }
  // No allocation, once the cache has what such texts need.
  Outcome look(std::string_view text) const;
  // Which they are, by the order of `add`; `found` is empty unless the outcome is found.
  Outcome look(std::string_view text, std::vector<int>& found) const;

 private:
  Outcome look(std::string_view text, std::vector<int>* found) const;

  re2::RE2::Set set_;
  int count_ = 0;
};

}  // namespace ocsproxy::rules
