#include "rules/rule_table.h"

#include <algorithm>
#include <array>

#include "rules/folded_text.h"
#include "rules/name_lookup.h"
#include "rules/path_parameters.h"
#include "rules/rule_table_impl.h"

namespace ocsproxy::rules {
namespace {

// One walk over the table for one form of the path. What is found can only get better, so
// everything that begins with a later entry is passed over.
class Search {
 public:
  Search(const CompiledPolicy& policy, const Request& request, std::string_view path)
      : policy_(policy), request_(request), path_(path) {
    const auto known =
        std::lower_bound(policy.methods.begin(), policy.methods.end(), request.method);
    if (known != policy.methods.end() && *known == request.method) {
      method_ = static_cast<std::uint32_t>(known - policy.methods.begin()) + 1;
    }
  }

  // The lowest entry that matches, or kNoEntry.
  EntryId run() {
    visit_scope(request_.listener);
    visit_scope(static_cast<std::uint32_t>(policy_.scopes.size() - 1));
    return best_;
  }

 private:
  void visit_scope(std::uint32_t scope) {
    if (policy_.scopes[scope].lowest >= best_) return;
    for_each_bucket(policy_, scope, request_.public_name,
                    [this](const Bucket& bucket) { visit_bucket(bucket); });
  }

  void visit_bucket(const Bucket& bucket) {
    if (bucket.lowest >= best_) return;
    if (bucket.plain) {
      if (is_from(bucket.root)) best_ = bucket.lowest;
      return;
    }
    if (bucket.root != kNone) visit_node(policy_.nodes[bucket.root], false);
    std::uint64_t hash = path_seed(bucket.number);
    for (std::size_t begin = 0; begin < path_.size();) {
      const std::size_t end = piece_end(path_, begin);
      if (end > bucket.longest_path) return;
      hash = fold_hash(hash, path_.substr(begin, end - begin));
      const std::string_view key = path_.substr(0, end);
      const std::uint32_t found = policy_.node_index.find(hash, [&](std::uint32_t index) {
        const PathNode& node = policy_.nodes[index];
        return node.bucket == bucket.number &&
               equals_folded(key, node.key.view(node.key_size, policy_.text));
      });
      if (found != kNone) visit_node(policy_.nodes[found], end == path_.size());
      begin = end;
    }
  }

  // `whole`: the node's path is the whole path, not a directory above it.
  void visit_node(const PathNode& node, bool whole) {
    if (node.lowest >= best_) return;
    if (node.kind == PathNode::Kind::branch) {
      visit_branch(policy_.branches[node.index], whole);
    } else if (node.kind == PathNode::Kind::regex) {
      visit_regex(policy_.regex_groups[node.index]);
    } else if ((whole || node.kind == PathNode::Kind::prefix) && is_from(node.index)) {
      best_ = node.lowest;
    }
  }

  void visit_branch(const Branch& branch, bool whole) {
    if (whole) best_ = std::min(best_, lowest(branch.exact));
    best_ = std::min(best_, lowest(branch.prefix));
    for (std::uint32_t i = 0; i < branch.regexes.count; ++i) {
      const RegexGroup& group = policy_.regex_groups[branch.regexes.begin + i];
      if (group.lowest >= best_) return;
      visit_regex(group);
    }
  }

  void visit_regex(const RegexGroup& group) {
    const bool single = group.methods.count == 0;
    if (single && !is_from(group.methods.begin)) return;
    const EntryId entry = single ? group.lowest : lowest(group.methods);
    // The regex last: it is the only part that costs more than a look.
    if (entry < best_ && matches(group)) best_ = entry;
  }

  bool is_from(std::uint32_t set) const { return policy_.sets.contains(set, request_.client.atom); }

  bool matches(const RegexGroup& group) const {
    // The node's own path is the beginning of ours, or we were not here.
    std::string_view rest = path_.substr(group.node_size);
    const std::size_t around = std::size_t{group.prefix_size} + group.suffix_size;
    if (rest.size() < around) return false;
    const std::string_view key = group.key.view(around, policy_.text);
    if (!equals_folded(rest.substr(0, group.prefix_size), key.substr(0, group.prefix_size)) ||
        !equals_folded(rest.substr(rest.size() - group.suffix_size), key.substr(group.prefix_size)))
      return false;
    rest = rest.substr(group.prefix_size, rest.size() - around);
    if (group.automaton != kNone && rest.size() <= PathAutomata::kLongestText)
      return policy_.automata.matches(group.automaton, rest);
    return re2::RE2::FullMatch(re2::StringPiece(path_.data(), path_.size()),
                               *policy_.regexes[group.regex]);
  }

  // The lowest entry of the groups for this method and address, if it is below the best so far.
  EntryId lowest(Run groups) const {
    EntryId best = best_;
    for (std::uint32_t i = 0; i < groups.count; ++i) {
      const MethodGroup& group = policy_.method_groups[groups.begin + i];
      if (group.choice.lowest >= best) continue;
      if (group.method != kAnyMethod && group.method != method_) continue;
      best = std::min(best, choose(group.choice));
    }
    return best;
  }

  EntryId choose(const AddressChoice& choice) const {
    const std::uint32_t atom = request_.client.atom;
    switch (choice.kind) {
      case AddressChoice::Kind::single:
        return is_from(choice.begin) ? choice.lowest : kNoEntry;
      case AddressChoice::Kind::few:
        for (std::uint32_t i = 0; i < choice.count; ++i) {
          const SetChoice& candidate = policy_.choices[choice.begin + i];
          if (is_from(candidate.set)) return candidate.entry;
        }
        return kNoEntry;
      case AddressChoice::Kind::intervals: {
        const auto begin = policy_.intervals.begin() + choice.begin;
        const auto after = std::upper_bound(begin, begin + choice.count, atom,
                                            [](std::uint32_t value, const AtomInterval& interval) {
                                              return value < interval.first;
                                            });
        return std::prev(after)->entry;
      }
      case AddressChoice::Kind::dense:
        return policy_.entries_by_atom[choice.begin + atom];
    }
    return kNoEntry;
  }

  const CompiledPolicy& policy_;
  const Request& request_;
  const std::string_view path_;
  std::uint32_t method_ = kNone;  // kNone: a method that no rule names
  EntryId best_ = kNoEntry;
};

Decision judge(const CompiledPolicy& policy, const Request& request, std::string_view path) {
  return to_decision(Search(policy, request, path).run());
}

// A function of its own, so that requests without parameters do not pay for the buffer.
[[gnu::noinline]] Decision judge_without_parameters(const CompiledPolicy& policy,
                                                    const Request& request) {
  if (request.path.size() > kMaxJudgedPath) return {};
  std::array<char, kMaxJudgedPath> buffer;  // NOLINT: filled as far as it is read
  return judge(policy, request, without_parameters(request.path, buffer));
}

}  // namespace

RuleTable::RuleTable(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RuleTable::~RuleTable() = default;

std::shared_ptr<const RuleTable> RuleTable::compile(const settings::Settings& settings,
                                                    std::span<const IpAddress> own_addresses,
                                                    Findings& findings) {
  auto impl =
      std::make_unique<Impl>(Impl{compile_policy(settings, own_addresses, findings), settings});
  for (const settings::HttpFilter& filter : settings.http_filters) {
    impl->filters.push_back(HttpFilter::compile(filter, findings));
  }
  return std::shared_ptr<const RuleTable>(new RuleTable(std::move(impl)));
}

ClientPosition RuleTable::locate(const IpAddress& client) const {
  const std::uint32_t atom = impl_->policy.atoms.find(client);
  return {atom, impl_->policy.network_by_atom[atom]};
}

std::string_view RuleTable::network_name(ClientPosition client) const {
  return impl_->policy.network_names[client.network];
}

bool RuleTable::serves(std::uint32_t listener, ClientPosition client) const {
  return impl_->policy.sets.contains(impl_->policy.served_set[listener], client.atom);
}

Decision RuleTable::decide(const Request& request) const {
  const Decision as_sent = judge(impl_->policy, request, request.path);
  if (as_sent.verdict != Verdict::allow || request.path.find(';') == std::string_view::npos) {
    return as_sent;
  }
  const Decision stripped = judge_without_parameters(impl_->policy, request);
  return stripped.verdict == Verdict::allow ? as_sent : stripped;
}

const HttpFilter* RuleTable::filter_of(std::uint32_t rule) const {
  const std::uint32_t filter = impl_->settings.rules[rule].filter;
  return filter == settings::kNoFilter ? nullptr : impl_->filters[filter].get();
}

const CompiledPolicy& RuleTable::compiled() const { return impl_->policy; }

bool RuleTable::publishes(std::uint32_t listener, std::string_view public_name) const {
  bool allows = false;
  for_each_bucket(impl_->policy, listener, public_name,
                  [&allows](const Bucket& bucket) { allows = allows || bucket.allows; });
  return allows;
}

}  // namespace ocsproxy::rules
