#include "rules/name_classes.h"

#include <algorithm>
#include <array>
#include <set>

#include "rules/canonical_target.h"
#include "rules/name_lookup.h"

namespace ocsproxy::rules {
namespace {

// Can a request bear this name, in this spelling?
bool can_be_asked(const std::string& name) {
  std::array<char, kAuthorityBufferSize> buffer{};
  Authority authority;
  const std::string text = name.find(':') == std::string::npos ? name : '[' + name + ']';
  return parse_authority(text, buffer, authority) && authority.name == name;
}

// Exceptions beyond this many help nobody.
constexpr std::size_t kMostExceptions = 20;

}  // namespace

NameClasses::NameClasses(std::span<const CompiledPolicy* const> policies) {
  std::set<std::string> listed, suffixes;
  for (const CompiledPolicy* policy : policies) {
    for (const PublicName& name : policy->names) {
      std::string text(name.key.view(name.key_size, policy->text));
      (name.kind == NameKind::exact ? listed : suffixes).insert(std::move(text));
    }
  }
  for (const std::string& name : listed) {
    if (!can_be_asked(name)) continue;
    exact_.emplace(name, size());
    classes_.push_back({NameClass::Kind::exact, name, name});
  }
  // All suffixes first: the witness of the other names may lie below none.
  for (const std::string& suffix : suffixes) below_.emplace(suffix, kNone);
  for (auto& [suffix, number] : below_) {
    std::string witness = witness_below(suffix);
    if (witness.empty()) continue;
    number = size();
    classes_.push_back({NameClass::Kind::below, suffix, std::move(witness)});
  }
  add_others();
  for (const NameClass& one : classes_) above_.push_back(class_below(one.text));
}

void NameClasses::add_others() {
  std::string witness = "unlisted.invalid";
  for (int i = 0; exact_.contains(witness) || class_below(witness) != kNone; ++i) {
    witness = "unlisted.invalid" + std::to_string(i);
  }
  classes_.push_back({NameClass::Kind::others, {}, std::move(witness)});
}

std::string NameClasses::witness_below(const std::string& suffix) const {
  for (int i = 0; i < 10'000; ++i) {
    std::string name = (i == 0 ? "any" : 'n' + std::to_string(i)) + '.' + suffix;
    if (name.size() > Scope::kMaxName)
      name = std::string(1, static_cast<char>('a' + i % 26)) + '.' + suffix;
    if (!can_be_asked(name)) return {};
    if (!exact_.contains(name)) return name;
  }
  return {};
}

std::uint32_t NameClasses::class_below(std::string_view name) const {
  if (name.empty() || !may_match_wildcard(name)) return kNone;
  for (auto dot = name.find('.', 1); dot != std::string_view::npos; dot = name.find('.', dot + 1)) {
    const auto found = below_.find(name.substr(dot + 1));
    if (found != below_.end()) return found->second;
  }
  return kNone;
}

std::uint32_t NameClasses::find(std::string_view name) const {
  const auto listed = exact_.find(name);
  if (listed != exact_.end()) return listed->second;
  const std::uint32_t below = class_below(name);
  return below == kNone ? size() - 1 : below;
}

std::string NameClasses::describe(std::span<const std::uint32_t> classes) const {
  if (classes.size() == size()) return "any name";
  const auto is_in = [&](std::uint32_t number) {
    return std::binary_search(classes.begin(), classes.end(), number);
  };
  std::string text;
  const auto append = [&text](std::string_view part, std::string_view separator) {
    if (!text.empty()) text += separator;
    text += part;
  };
  if (is_in(size() - 1)) append("any name that no rule lists", ", ");
  for (const std::uint32_t number : classes) {
    const NameClass& one = classes_[number];
    if (one.kind == NameClass::Kind::others) continue;
    // A listed name below a wildcard that is there too goes without saying.
    if (above_[number] != kNone && is_in(above_[number])) continue;
    append(one.kind == NameClass::Kind::exact ? one.text : "*." + one.text, ", ");
  }
  const bool has_wildcard = std::any_of(classes.begin(), classes.end(), [this](auto number) {
    return classes_[number].kind == NameClass::Kind::below;
  });
  if (!has_wildcard) return text;
  std::size_t exceptions = 0;
  for (std::uint32_t number = 0; number < size(); ++number) {
    const NameClass& one = classes_[number];
    if (is_in(number) || one.kind == NameClass::Kind::others) continue;
    if (above_[number] == kNone || !is_in(above_[number])) continue;
    if (++exceptions > kMostExceptions) continue;
    append(one.kind == NameClass::Kind::exact ? one.text : "*." + one.text,
           exceptions == 1 ? " but not " : ", ");
  }
  if (exceptions > kMostExceptions) {
    text += " and " + std::to_string(exceptions - kMostExceptions) + " more";
  }
  return text;
}

}  // namespace ocsproxy::rules
