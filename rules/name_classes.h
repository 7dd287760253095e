// All names that a request can bear, in classes: two names of one class fit the same public names
// of every rule.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rules/compiled_policy.h"

namespace ocsproxy::rules {

struct NameClass {
  enum class Kind : std::uint8_t {
    exact,   // `text` and nothing else
    below,   // names that end in "." and `text`, but for those of another class; no addresses
    others,  // the rest: names that nothing lists, addresses, and no name at all
  };
  Kind kind = Kind::others;
  std::string text;
  std::string witness;  // a name of the class that a request can bear
};

// Immutable; any thread.
class NameClasses {
 public:
  // The classes that no two rules of any of `policies` can tell apart. A public name that no
  // request can bear has none.
  explicit NameClasses(std::span<const CompiledPolicy* const> policies);

  std::uint32_t size() const { return static_cast<std::uint32_t>(classes_.size()); }
  const NameClass& operator[](std::uint32_t number) const { return classes_[number]; }
  // The class of a canonical name ("" when the request has none).
  std::uint32_t find(std::string_view name) const;

  // `classes`, sorted, as a person would write them: "*.contoso.com but not www.contoso.com".
  std::string describe(std::span<const std::uint32_t> classes) const;

 private:
  void add_others();
  // The class that `name` would have if it were not listed; kNone: that one is not known.
  std::uint32_t class_below(std::string_view name) const;
  std::string witness_below(const std::string& suffix) const;

  std::vector<NameClass> classes_;
  // By class, the one that its text would have if nothing listed it; kNone: none.
  std::vector<std::uint32_t> above_;
  std::map<std::string, std::uint32_t, std::less<>> exact_;
  std::map<std::string, std::uint32_t, std::less<>> below_;
};

}  // namespace ocsproxy::rules
