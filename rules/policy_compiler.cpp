// From Settings to the flat arrays of rules/compiled_policy.h, in steps that each read what the one
// before has made:
//   1. addresses: the networks, the atoms, a set for each rule's from and except_from
//   2. rules: their parts by number, the paths and regexes checked
//   3. names: which rules stand under which public name; equal lists share a bucket
//   4. paths: each bucket's entries sorted by path, kind and method into nodes
//   5. the names' records, and the hash indexes over names and paths
#include <algorithm>
#include <bit>
#include <map>
#include <tuple>
#include <unordered_map>

#include "base/text.h"
#include "rules/address_choice.h"
#include "rules/canonical_target.h"
#include "rules/compiled_policy.h"
#include "rules/folded_text.h"
#include "rules/network_map.h"
#include "rules/regex_prefix.h"

namespace ocsproxy::rules {
namespace {

using settings::Path;
using settings::Rule;

// Of one compiled regex with its caches. RE2 refuses a pattern whose program does not fit.
constexpr std::int64_t kRegexMemory = 1 << 20;

std::uint32_t size32(const auto& container) { return static_cast<std::uint32_t>(container.size()); }

// How an entry is found below a node, in the order in which a node keeps them.
enum class Way : std::uint8_t { exact, prefix, regex };

// One entry under one path of one bucket for one method.
struct Record {
  std::uint32_t bucket;
  std::uint32_t path;  // index into Compiler::path_keys_
  Way way;
  std::uint32_t regex;  // 0 unless `way` is regex
  std::uint32_t method;
  SetChoice choice;

  auto key() const { return std::tie(bucket, path, way, regex, method, choice.entry); }
  bool same_node(const Record& other) const { return bucket == other.bucket && path == other.path; }
  bool same_way(const Record& other) const {
    return same_node(other) && way == other.way && regex == other.regex;
  }
  bool same_group(const Record& other) const { return same_way(other) && method == other.method; }
};
using Records = std::vector<Record>;

class Compiler {
 public:
  Compiler(const settings::Settings& settings, std::span<const IpAddress> own_addresses,
           Findings& findings)
      : settings_(settings), findings_(findings), networks_(settings.networks, own_addresses) {}

  CompiledPolicy run() {
    cut_addresses();
    add_listeners();
    for (std::uint32_t rule = 0; rule < size32(settings_.rules); ++rule) {
      if (settings_.rules[rule].enabled) add_rule(rule);
    }
    make_buckets();
    make_nodes();
    make_indexes();
    return std::move(policy_);
  }

 private:
  // What step 2 makes of an enabled rule.
  struct RuleParts {
    std::uint32_t rule = 0;
    std::uint32_t set = 0;
    std::uint32_t first_place = 0;  // of its paths, in places_
    std::vector<std::uint32_t> methods;
  };
  // How a path of a rule is found: index into path_keys_ and, for a regex, into policy_.regexes.
  struct PathPlace {
    std::uint32_t key = 0;
    Way way = Way::exact;
    std::uint32_t regex = 0;
  };
  struct NameKey {
    std::uint32_t scope;
    NameKind kind;
    std::string text;  // "*" for any
    auto operator<=>(const NameKey&) const = default;
  };

  // --- 1. addresses ---

  void cut_addresses() {
    std::vector<AddressRange> ranges;
    for (const auto& network : networks_.networks()) {
      const auto& own = network.addresses.ranges();
      ranges.insert(ranges.end(), own.begin(), own.end());
    }
    for (const Rule& rule : settings_.rules) {
      for (const auto* sources : {&rule.from, &rule.except_from}) {
        for (const settings::Source& source : *sources) {
          if (source.range) ranges.push_back(*source.range);
        }
      }
    }
    policy_.atoms = AddressAtoms(ranges);
    policy_.network_by_atom.resize(policy_.atoms.size());
    for (const auto& network : networks_.networks()) {
      for (const AtomRange& atoms : policy_.atoms.atoms(network.addresses)) {
        std::fill(policy_.network_by_atom.begin() + atoms.first,
                  policy_.network_by_atom.begin() + atoms.last + 1, size32(policy_.network_names));
      }
      policy_.network_names.push_back(network.name);
    }
  }

  AddressSet addresses(const std::vector<settings::Source>& sources) {
    std::vector<AddressRange> ranges;
    for (const settings::Source& source : sources) {
      if (source.range) {
        ranges.push_back(*source.range);
      } else {
        append_network(source.text, source.where, ranges);
      }
    }
    return AddressSet(std::move(ranges));
  }

  void append_network(const std::string& name, Location where, std::vector<AddressRange>& ranges) {
    const AddressSet* network = networks_.addresses(name);
    if (network == nullptr) {
      findings_.error("unknown-network", where, '"' + name + "\" is no network");
      return;
    }
    ranges.insert(ranges.end(), network->ranges().begin(), network->ranges().end());
  }

  // Rules mostly repeat the same few sources: each list is computed once.
  std::uint32_t source_set(const Rule& rule) {
    const bool anywhere = rule.from.empty() && *rule.action == settings::Action::deny;
    std::string key = anywhere ? "*" : "";
    for (const settings::Source& source : rule.from) append_key(key, source);
    key += '-';
    for (const settings::Source& source : rule.except_from) append_key(key, source);
    const auto [known, is_new] = set_by_sources_.try_emplace(std::move(key), 0);
    if (is_new) {
      const AddressSet from = anywhere ? AddressSet::all() : addresses(rule.from);
      known->second = policy_.sets.add(policy_.atoms.atoms(from - addresses(rule.except_from)));
    }
    return known->second;
  }

  static void append_key(std::string& key, const settings::Source& source) {
    if (source.range) {
      key += 'r';
      for (const IpAddress* end : {&source.range->first, &source.range->last}) {
        key.append(end->bytes().begin(), end->bytes().end());
      }
    } else {
      key += 'n' + source.text + '\0';
    }
  }

  void add_listeners() {
    for (const settings::Listener& listener : settings_.listeners) {
      std::vector<AddressRange> ranges;
      for (const auto& name : listener.networks) append_network(*name, name.where, ranges);
      policy_.served_set.push_back(
          policy_.sets.add(policy_.atoms.atoms(AddressSet(std::move(ranges)))));
      scope_by_listener_.emplace(*listener.name, size32(policy_.served_set) - 1);
    }
    policy_.scopes.resize(settings_.listeners.size() + 1);
  }

  // --- 2. rules ---

  void add_rule(std::uint32_t index) {
    const Rule& rule = settings_.rules[index];
    const auto scope = scope_of(rule);
    if (!scope) return;
    RuleParts parts;
    parts.rule = index;
    parts.set = source_set(rule);
    parts.first_place = size32(places_);
    for (const auto& method : rule.methods) parts.methods.push_back(method_number(*method));
    for (const Path& path : rule.paths) places_.push_back(place_of(rule, path));
    if (rule.public_names.empty()) add_name(*scope, "*");
    for (const auto& name : rule.public_names) add_name(*scope, *name);
    rules_.push_back(std::move(parts));
  }

  std::optional<std::uint32_t> scope_of(const Rule& rule) {
    if (rule.listener->empty() && *rule.action == settings::Action::deny) {
      return size32(policy_.scopes) - 1;
    }
    const auto known = scope_by_listener_.find(*rule.listener);
    if (known != scope_by_listener_.end()) return known->second;
    findings_.error("unknown-listener", rule.listener.where,
                    '"' + *rule.listener + "\" is no listener");
    return std::nullopt;
  }

  static Verdict verdict_of(const Rule& rule) {
    if (*rule.action == settings::Action::allow) return Verdict::allow;
    return rule.redirect->empty() ? Verdict::deny : Verdict::redirect;
  }

  // Numbered as they come; make_nodes brings them into order.
  std::uint32_t method_number(const std::string& method) {
    if (method == "*") return kAnyMethod;
    return methods_.try_emplace(method, size32(methods_) + 1).first->second;
  }

  PathPlace place_of(const Rule& rule, const Path& path) {
    if (path.kind == Path::Kind::regex) {
      return {path_key(literal_directory(path.external)), Way::regex, regex_number(path)};
    }
    check_canonical(path, path.external, path.where);
    if (path.internal != path.external) check_canonical(path, path.internal, path.internal_where);
    if (path.kind == Path::Kind::prefix) return {path_key(path.external), Way::prefix, 0};
    if (*rule.action == settings::Action::allow) return {path_key(path.external), Way::exact, 0};
    // A deny of a file also denies what an origin may take for it: "/file/" and "/file/more".
    std::string_view file = path.external;
    if (file.size() <= 1) return {path_key(file), Way::exact, 0};
    if (file.ends_with('/')) file.remove_suffix(1);
    return {path_key(file), Way::prefix, 0};
  }

  std::uint32_t path_key(std::string_view path) {
    const auto [known, is_new] = path_numbers_.try_emplace(lower(path), size32(path_keys_));
    if (is_new) path_keys_.push_back(known->first);
    return known->second;
  }

  // Requests are compared in their canonical form, and that form goes upstream: a path of the
  // configuration that is not canonical would never match, which for a deny is a hole.
  void check_canonical(const Path& path, const std::string& text, Location where) {
    const bool prefix = path.kind == Path::Kind::prefix;
    const std::string whole = prefix ? text + '/' : text;
    std::vector<char> buffer(whole.size() * 3 + 1);
    CanonicalTarget canonical;
    const TargetError error = canonicalize(whole, true, buffer, canonical);
    const std::string shown = prefix ? whole + '*' : whole;
    if (error != TargetError::none) {
      findings_.error(
          "path-not-canonical", where,
          '"' + shown + "\" can be the path of no request: it has " + std::string(describe(error)),
          "such requests are refused before the rules are asked");
    } else if (canonical.path != whole) {
      findings_.error("path-not-canonical", where,
                      '"' + shown + "\" is not the form in which paths are compared",
                      "write \"" + std::string(canonical.path) + (prefix ? "*\"" : "\""));
    }
  }

  std::uint32_t regex_number(const Path& path) {
    const auto [known, is_new] = regexes_.try_emplace(path.external, size32(policy_.regexes));
    if (!is_new) return known->second;
    re2::RE2::Options options;
    options.set_case_sensitive(false);
    options.set_encoding(re2::RE2::Options::EncodingLatin1);  // canonical paths are ASCII
    options.set_log_errors(false);
    options.set_max_mem(kRegexMemory);
    policy_.regexes.push_back(std::make_unique<re2::RE2>(path.external, options));
    const re2::RE2& regex = *policy_.regexes.back();
    if (!regex.ok()) {
      findings_.error("bad-regex", path.where,
                      "the regex \"" + path.external + "\" is refused: " + regex.error(),
                      "the syntax is RE2's: no look-around, no back references");
    }
    return known->second;
  }

  // --- 3. names ---

  void add_name(std::uint32_t scope, std::string_view name) {
    NameKey key{scope, NameKind::exact, lower(name)};
    if (name.starts_with("*.")) key = {scope, NameKind::wildcard, lower(name.substr(2))};
    if (key.text.size() > Scope::kMaxName) return;  // longer than any name of a request
    if (const auto address = literal_address(key.text)) key.text = address->to_string();
    // The rule itself is pushed after its names.
    std::vector<std::uint32_t>& rules = rules_by_name_[std::move(key)];
    if (rules.empty() || rules.back() != size32(rules_)) rules.push_back(size32(rules_));
  }

  // As parse_authority writes it, so that each spelling of an address is the same name.
  static std::optional<IpAddress> literal_address(std::string_view name) {
    if (name.starts_with('[') && name.ends_with(']')) name = name.substr(1, name.size() - 2);
    return IpAddress::parse(name);
  }

  void make_buckets() {
    std::map<std::vector<std::uint32_t>, std::uint32_t> bucket_by_rules;
    for (const auto& [key, rules] : rules_by_name_) {
      const auto [known, is_new] = bucket_by_rules.try_emplace(rules, size32(buckets_));
      if (is_new) add_bucket(rules);
      bucket_by_name_.push_back(known->second);
    }
  }

  void add_bucket(const std::vector<std::uint32_t>& rules) {
    Bucket bucket;
    bucket.number = size32(buckets_);
    for (const std::uint32_t number : rules) {
      const RuleParts& parts = rules_[number];
      const Rule& rule = settings_.rules[parts.rule];
      bucket.allows = bucket.allows || *rule.action == settings::Action::allow;
      for (std::uint32_t path = 0; path < size32(rule.paths); ++path) {
        const PathPlace& place = places_[parts.first_place + path];
        const SetChoice choice{parts.set, make_entry(parts.rule, path, verdict_of(rule))};
        for (const std::uint32_t method : parts.methods) {
          records_.push_back({bucket.number, place.key, place.way, place.regex, method, choice});
        }
      }
    }
    buckets_.push_back(bucket);
  }

  // --- 4. paths ---

  void make_nodes() {
    sort_methods();
    std::sort(records_.begin(), records_.end(),
              [](const Record& a, const Record& b) { return a.key() < b.key(); });
    for (auto begin = records_.cbegin(); begin != records_.cend();) {
      begin = add_node(begin);
    }
  }

  void sort_methods() {
    std::vector<std::uint32_t> sorted(methods_.size() + 1, kAnyMethod);
    for (const auto& [method, number] : methods_) {  // a map: in order
      policy_.methods.push_back(method);
      sorted[number] = size32(policy_.methods);
    }
    for (Record& record : records_) record.method = sorted[record.method];
  }

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
      if (kind.way == Way::regex) regexes.push_back({lowest, kind.regex, methods});
    }
    std::sort(regexes.begin(), regexes.end(),
              [](const RegexGroup& a, const RegexGroup& b) { return a.lowest < b.lowest; });
    branch.regexes = {size32(policy_.regex_groups), size32(regexes)};
    policy_.regex_groups.insert(policy_.regex_groups.end(), regexes.begin(), regexes.end());
    node.key_size = size32(path_keys_[first.path]);
    node.key = make_key(node.key, path_keys_[first.path]);
    set_content(node, branch);
    link_node(node);
    return at;
  }

  // Puts what is one entry for every method into the node itself.
  void set_content(PathNode& node, const Branch& branch) {
    const bool exact = branch.prefix.count == 0;
    const Run& only = exact ? branch.exact : branch.prefix;
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

  template <std::size_t kInside>
  Key<kInside> make_key(Key<kInside> key, std::string_view text) {
    if (text.size() <= kInside) {
      std::copy(text.begin(), text.end(), key.inside.begin());
    } else {
      key.begin = size32(policy_.text);
      policy_.text += text;
    }
    return key;
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

  // --- 5. names and paths by their hash ---

  void make_indexes() {
    for (Bucket& bucket : buckets_) make_plain(bucket);
    auto number = bucket_by_name_.cbegin();
    for (const auto& [key, rules] : rules_by_name_) link_name(key, buckets_[*number++]);
    policy_.name_index = HashIndex(policy_.names.size());
    for (std::uint32_t i = 0; i < size32(policy_.names); ++i) {
      const PublicName& name = policy_.names[i];
      const std::string_view text = name.key.view(name.key_size, policy_.text);
      policy_.name_index.insert(name_hash(name.scope, name.kind, text), i);
    }
    policy_.node_index = HashIndex(policy_.nodes.size());
    for (std::uint32_t i = 0; i < size32(policy_.nodes); ++i) {
      const PathNode& node = policy_.nodes[i];
      if (node.key_size == 0) continue;  // found by its bucket
      const std::string_view path = node.key.view(node.key_size, policy_.text);
      policy_.node_index.insert(path_hash(node.bucket, path), i);
    }
  }

  // A bucket that is "/*" and nothing else needs no node.
  void make_plain(Bucket& bucket) {
    if (bucket.root == kNone || bucket.longest_path > 0) return;
    const PathNode& root = policy_.nodes[bucket.root];
    bucket.plain = root.kind == PathNode::Kind::prefix;
    if (bucket.plain) bucket.root = root.index;
  }

  void link_name(const NameKey& key, const Bucket& bucket) {
    Scope& scope = policy_.scopes[key.scope];
    scope.lowest = std::min(scope.lowest, bucket.lowest);
    if (key.kind == NameKind::exact && key.text == "*") {
      scope.any_name = bucket;
      return;
    }
    if (key.kind == NameKind::wildcard) {
      scope.has_wildcards = true;
      scope.wildcard_sizes.set(key.text.size());
    }
    PublicName& name = policy_.names.emplace_back();
    name.bucket = bucket;
    name.scope = static_cast<std::uint16_t>(key.scope);
    name.kind = key.kind;
    name.key_size = static_cast<std::uint8_t>(key.text.size());
    name.key = make_key(name.key, key.text);
  }

  static std::uint64_t path_hash(std::uint32_t bucket, std::string_view path) {
    std::uint64_t hash = path_seed(bucket);
    for (std::size_t begin = 0; begin < path.size();) {
      const std::size_t end = piece_end(path, begin);
      hash = fold_hash(hash, path.substr(begin, end - begin));
      begin = end;
    }
    return hash;
  }

  const settings::Settings& settings_;
  Findings& findings_;
  const NetworkMap networks_;
  CompiledPolicy policy_;

  std::unordered_map<std::string, std::uint32_t> set_by_sources_;
  std::unordered_map<std::string_view, std::uint32_t> scope_by_listener_;
  std::map<std::string, std::uint32_t> methods_;
  std::unordered_map<std::string_view, std::uint32_t> regexes_;
  std::unordered_map<std::string, std::uint32_t> path_numbers_;
  std::vector<std::string_view> path_keys_;                      // into the keys of path_numbers_
  std::vector<PathPlace> places_;                                // by entry
  std::vector<RuleParts> rules_;                                 // enabled ones
  std::map<NameKey, std::vector<std::uint32_t>> rules_by_name_;  // indexes into rules_
  std::vector<std::uint32_t> bucket_by_name_;                    // in the order of rules_by_name_
  std::vector<Bucket> buckets_;
  Records records_;
};

}  // namespace

HashIndex::HashIndex(std::size_t count)
    : slots_(std::bit_ceil(count * 2 + 2), kNone),
      mask_(slots_.size() - 1),
      // One more than is needed, so that no slot in use is kNone.
      index_mask_(static_cast<std::uint32_t>(std::bit_ceil(count + 1) - 1)) {}

void HashIndex::insert(std::uint64_t hash, std::uint32_t index) {
  std::size_t at = hash & mask_;
  while (slots_[at] != kNone) at = (at + 1) & mask_;
  slots_[at] = tag_of(hash) | index;
}

std::uint64_t name_hash(std::uint32_t scope, NameKind kind, std::string_view name) {
  return fold_hash(std::uint64_t{scope} << 8 | static_cast<std::uint64_t>(kind), name);
}

std::uint64_t path_seed(std::uint32_t bucket) { return bucket; }

CompiledPolicy compile_policy(const settings::Settings& settings,
                              std::span<const IpAddress> own_addresses, Findings& findings) {
  return Compiler(settings, own_addresses, findings).run();
}

}  // namespace ocsproxy::rules
