// Which public names of a policy a request's name fits: for decisions, and for the questions that
// are asked of the same table.
#pragma once

#include <cstdint>
#include <string_view>

#include "rules/compiled_policy.h"
#include "rules/folded_text.h"

namespace ocsproxy::rules {

inline const PublicName* find_name(const CompiledPolicy& policy, std::uint32_t scope, NameKind kind,
                                   std::string_view text) {
  const std::uint32_t found =
      policy.name_index.find(name_hash(scope, kind, text), [&](std::uint32_t index) {
        const PublicName& name = policy.names[index];
        return name.scope == scope && name.kind == kind &&
               equals_folded(text, name.key.view(name.key_size, policy.text));
      });
  return found == kNone ? nullptr : &policy.names[found];
}

// Calls `visit` with the bucket of each public name that fits `name`, in no particular order.
template <typename Visit>
void for_each_bucket(const CompiledPolicy& policy, std::uint32_t scope_number,
                     std::string_view name, const Visit& visit) {
  const Scope& scope = policy.scopes[scope_number];
  if (scope.any_name.number != kNone) visit(scope.any_name);
  if (name.empty()) return;
  if (const PublicName* found = find_name(policy, scope_number, NameKind::exact, name)) {
    visit(found->bucket);
  }
  if (!scope.has_wildcards) return;
  for (auto dot = name.find('.', 1); dot != std::string_view::npos; dot = name.find('.', dot + 1)) {
    const std::string_view rest = name.substr(dot + 1);
    if (rest.size() > Scope::kMaxName || !scope.wildcard_sizes[rest.size()]) continue;
    const PublicName* found = find_name(policy, scope_number, NameKind::wildcard, rest);
    if (found != nullptr && may_match_wildcard(name)) visit(found->bucket);
  }
}

}  // namespace ocsproxy::rules
