#include "rules/path_tree.h"

#include <algorithm>
#include <optional>
#include <unordered_map>

#include "rules/address_choice.h"
#include "rules/regex_prefix.h"

namespace ocsproxy::rules {
namespace {

// Of a pattern; a longer one is for RE2 as a whole.
constexpr std::size_t kMostLiteral = 65535;

// A regex as a RegexGroup has it.
struct RegexParts {
  std::string prefix, suffix;
  std::uint32_t automaton = kNone;
};

// Runs once over the sorted records: each node's stand together, in it each way's, in it each
// method's.
class Builder {
 public:
  Builder(CompiledPolicy& policy, std::vector<Bucket>& buckets)
      : policy_(policy), records_(policy.records), buckets_(buckets), automata_(policy.automata) {}

  void run() {
    for (auto begin = records_.cbegin(); begin != records_.cend();) begin = add_node(begin);
    for (Bucket& bucket : buckets_) make_plain(bucket);
    policy_.node_index = HashIndex(policy_.nodes.size());
    for (std::uint32_t i = 0; i < size32(policy_.nodes); ++i) {
      const PathNode& node = policy_.nodes[i];
      if (node.key_size == 0) continue;  // found by its bucket
      const std::string_view path = node.key.view(node.key_size, policy_.text);
      policy_.node_index.insert(path_hash(node.bucket, path), i);
    }
  }

 private:
  // Takes the records of one node and returns where the next one's begin.
  Records::const_iterator add_node(Records::const_iterator begin) {
    const Record& first = *begin;
    PathNode node;
    node.bucket = first.bucket;
    Branch branch;
    std::vector<RegexGroup> regexes;
    auto at = begin;
    while (at != records_.cend() && at->same_node(first)) {
      const Record& kind = *at;
      EntryId lowest = kNoEntry;
      const Run methods = add_method_groups(at, lowest);
      node.lowest = std::min(node.lowest, lowest);
      if (kind.way == Way::exact) branch.exact = methods;
      if (kind.way == Way::prefix) branch.prefix = methods;
      if (kind.way == Way::regex && lowest != kNoEntry)
        regexes.push_back(regex_group(kind, lowest, methods));
    }
    std::sort(regexes.begin(), regexes.end(),
              [](const RegexGroup& a, const RegexGroup& b) { return a.lowest < b.lowest; });
    branch.regexes = {size32(policy_.regex_groups), size32(regexes)};
    policy_.regex_groups.insert(policy_.regex_groups.end(), regexes.begin(), regexes.end());
    node.key_size = size32(policy_.path_keys[first.path]);
    node.key.set(policy_.path_keys[first.path], policy_.text);
    set_content(node, branch);
    link_node(node);
    return at;
  }

  RegexGroup regex_group(const Record& record, EntryId lowest, Run methods) {
    RegexGroup group;
    group.lowest = lowest;
    group.regex = record.regex;
    group.methods = methods;
    if (methods.count == 1) {
      const MethodGroup& only = policy_.method_groups[methods.begin];
      if (only.method == kAnyMethod && only.choice.kind == AddressChoice::Kind::single)
        group.methods = {only.choice.begin, 0};
    }
    const std::size_t above = policy_.path_keys[record.path].size();
    const RegexParts& parts = parts_of(record.regex);
    if (parts.prefix.size() + parts.suffix.size() > kMostLiteral) return group;  // RE2 alone
    group.node_size = static_cast<std::uint16_t>(above);
    group.prefix_size = static_cast<std::uint16_t>(parts.prefix.size() - above);
    group.suffix_size = static_cast<std::uint16_t>(parts.suffix.size());
    group.key.set(parts.prefix.substr(above) + parts.suffix, policy_.text);
    group.automaton = parts.automaton;
    return group;
  }

  // The same for a regex in however many nodes it stands.
  const RegexParts& parts_of(std::uint32_t regex) {
    const auto [known, is_new] = parts_.try_emplace(regex);
    RegexParts& parts = known->second;
    if (!is_new) return parts;
    const SplitPattern split = split_pattern(policy_.regexes[regex]->pattern());
    parts.prefix = split.literal;
    // Behind a literal no "^" can hold; at the start of a pattern it says nothing.
    if (!split.literal.empty() && split.rest.starts_with('^')) return parts;
    std::optional<PathAutomaton> read = read_path_automaton(split.rest);
    if (!read) return parts;
    std::string suffix = take_literal_suffix(*read);
    if (const auto number = automata_.add(*read)) {
      parts.automaton = *number;
      parts.suffix = std::move(suffix);
    }
    return parts;
  }

  // Puts what is one entry for every method into the node itself.
  void set_content(PathNode& node, const Branch& branch) {
    const bool exact = branch.prefix.count == 0;
    const Run& only = exact ? branch.exact : branch.prefix;
    if (branch.exact.count + branch.prefix.count == 0 && branch.regexes.count == 1) {
      node.kind = PathNode::Kind::regex;
      node.index = branch.regexes.begin;
      return;
    }
    if (branch.exact.count + branch.prefix.count == 1 && branch.regexes.count == 0) {
      const MethodGroup& group = policy_.method_groups[only.begin];
      if (group.method == kAnyMethod && group.choice.kind == AddressChoice::Kind::single) {
        node.kind = exact ? PathNode::Kind::exact : PathNode::Kind::prefix;
        node.index = group.choice.begin;
        return;
      }
    }
    node.index = size32(policy_.branches);
    policy_.branches.push_back(branch);
  }

  // The records from `at` on that are found in the same way, one group for each method.
  Run add_method_groups(Records::const_iterator& at, EntryId& lowest) {
    const Record& first = *at;
    Run run{size32(policy_.method_groups), 0};
    while (at != records_.cend() && at->same_way(first)) {
      const Record& group = *at;
      std::vector<SetChoice> candidates;
      for (; at != records_.cend() && at->same_group(group); ++at) candidates.push_back(at->choice);
      const AddressChoice choice = build_choice(policy_, candidates);
      if (choice.lowest == kNoEntry) continue;
      policy_.method_groups.push_back({group.method, choice});
      lowest = std::min(lowest, choice.lowest);
      ++run.count;
    }
    return run;
  }

  void link_node(const PathNode& node) {
    Bucket& bucket = buckets_[node.bucket];
    bucket.lowest = std::min(bucket.lowest, node.lowest);
    bucket.longest_path = std::max(bucket.longest_path, node.key_size);
    if (node.key_size == 0) bucket.root = size32(policy_.nodes);
    policy_.nodes.push_back(node);
  }

  // A bucket that is "/*" and nothing else needs no node.
  void make_plain(Bucket& bucket) {
    if (bucket.root == kNone || bucket.longest_path > 0) return;
    const PathNode& root = policy_.nodes[bucket.root];
    bucket.plain = root.kind == PathNode::Kind::prefix;
    if (bucket.plain) bucket.root = root.index;
  }

  CompiledPolicy& policy_;
  const Records& records_;
  std::vector<Bucket>& buckets_;
  PathAutomataBuilder automata_;
  std::unordered_map<std::uint32_t, RegexParts> parts_;  // by regex
};

}  // namespace

void build_paths(CompiledPolicy& policy, std::vector<Bucket>& buckets) {
  std::sort(policy.records.begin(), policy.records.end(),
            [](const Record& a, const Record& b) { return a.key() < b.key(); });
  Builder(policy, buckets).run();
}

}  // namespace ocsproxy::rules
