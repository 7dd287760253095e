// From Settings to the flat arrays of rules/compiled_policy.h, in steps that each read what the one
// before has made:
//   1. addresses: the networks, the atoms, a set for each listener and rule (rules/source_sets.h)
//   2. rules: their parts by number, the paths and regexes checked
//   3. names: which rules stand under which public name; equal lists share a bucket
//   4. paths: each bucket's entries sorted into nodes (rules/path_tree.h)
//   5. the names' records and the index over them
#include <algorithm>
#include <map>
#include <optional>
#include <tuple>
#include <unordered_map>

#include "base/text.h"
#include "rules/canonical_target.h"
#include "rules/compiled_policy.h"
#include "rules/http_filter.h"
#include "rules/path_tree.h"
#include "rules/regex_prefix.h"
#include "rules/source_sets.h"

namespace ocsproxy::rules {
namespace {

using settings::Path;
using settings::Rule;

// Of one compiled regex with its caches. RE2 refuses a pattern whose program does not fit.
constexpr std::int64_t kRegexMemory = 1 << 20;

class Compiler {
 public:
  Compiler(const settings::Settings& settings, std::span<const IpAddress> own_addresses,
           Findings& findings)
      : settings_(settings),
        findings_(findings),
        sources_(settings, own_addresses, policy_, findings) {}

  CompiledPolicy run() {
    add_listeners();
    policy_.set_by_rule.assign(settings_.rules.size(), kNone);
    for (std::uint32_t rule = 0; rule < size32(settings_.rules); ++rule) {
      if (settings_.rules[rule].enabled) add_rule(rule);
    }
    make_buckets();
    sort_methods();
    build_paths(policy_, buckets_);
    make_names();
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
  // How a path of a rule is found: index into path_keys and, for a regex, into policy_.regexes.
  struct PathPlace {
    std::uint32_t key = 0;
    Way way = Way::exact;
    std::uint32_t regex = 0;
  };
  struct NameKey {
    std::uint32_t scope;
    NameKind kind;
    std::string text;  // "*" for any

    bool operator<(const NameKey& other) const {
      return std::tie(scope, kind, text) < std::tie(other.scope, other.kind, other.text);
    }
  };

  // --- 1. addresses ---

  void add_listeners() {
    for (const settings::Listener& listener : settings_.listeners) {
      scope_by_listener_.emplace(*listener.name, size32(policy_.served_set));
      policy_.served_set.push_back(sources_.served_by(listener));
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
    parts.set = policy_.set_by_rule[index] = sources_.set_of(rule);
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

  // Numbered as they come; sort_methods brings them into order.
  std::uint32_t method_number(const std::string& method) {
    if (method == "*") return kAnyMethod;
    return methods_.try_emplace(method, size32(methods_) + 1).first->second;
  }

  PathPlace place_of(const Rule& rule, const Path& path) {
    const PathForm form = form_of(rule, path);
    if (form.way == Way::regex) {
      return {path_key(literal_directory(form.text)), form.way, regex_number(path)};
    }
    check_canonical(rule, path, path.external, path.where);
    if (path.internal != path.external) {
      check_canonical(rule, path, path.internal, path.internal_where);
    }
    return {path_key(form.text), form.way, 0};
  }

  std::uint32_t path_key(std::string_view path) {
    const auto [known, is_new] = path_numbers_.try_emplace(lower(path), size32(policy_.path_keys));
    if (is_new) policy_.path_keys.push_back(known->first);
    return known->second;
  }

  // Requests are compared in their canonical form, and that form goes upstream: a path of the
  // configuration that is not canonical would never match, which for a deny is a hole.
  void check_canonical(const Rule& rule, const Path& path, const std::string& text,
                       Location where) {
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
    } else if (const TargetError kept = refused_reservation(rule, canonical);
               kept != TargetError::none) {
      findings_.error(
          "path-not-canonical", where,
          '"' + shown + "\" can be the path of no request: it has " + std::string(describe(kept)),
          "an http_filter lets such requests pass:  " +
              std::string(kept == TargetError::high_bit ? "block_high_bit: false"
                                                        : "verify_normalization: false"));
    } else if (canonical.path != whole) {
      findings_.error("path-not-canonical", where,
                      '"' + shown + "\" is not the form in which paths are compared",
                      "write \"" + std::string(canonical.path) + (prefix ? "*\"" : "\""));
    }
  }

  // What no filter through which such a request could go lets pass: an allow has its own, and a
  // deny stands before the others'.
  TargetError refused_reservation(const Rule& rule, const CanonicalTarget& target) const {
    if (*rule.action == settings::Action::allow) {
      return rules::refused_reservation(
          rule.filter == settings::kNoFilter ? nullptr : &settings_.http_filters[rule.filter],
          target);
    }
    TargetError kept = reservation(target);
    for (const settings::HttpFilter& filter : settings_.http_filters) {
      if (kept != TargetError::none) kept = rules::refused_reservation(&filter, target);
    }
    return kept;
  }

  static std::unique_ptr<re2::RE2> make_regex(const std::string& pattern) {
    re2::RE2::Options options;
    options.set_case_sensitive(false);
    options.set_encoding(re2::RE2::Options::EncodingLatin1);  // canonical paths are ASCII
    options.set_log_errors(false);
    options.set_max_mem(kRegexMemory);
    return std::make_unique<re2::RE2>(pattern, options);
  }

  std::uint32_t regex_number(const Path& path) {
    const auto [known, is_new] = regexes_.try_emplace(path.external, size32(policy_.regexes));
    if (is_new) policy_.regexes.push_back(make_regex(path.external));
    const re2::RE2& regex = *policy_.regexes[known->second];
    if (!regex.ok()) {
      Finding& finding =
          findings_.error("bad-regex", path.where,
                          "the regex \"" + path.external + "\" is refused: " + regex.error(),
                          "the syntax is RE2's: no look-around, no back references");
      finding.fragment = regex.error_arg();
    }
    return known->second;
  }

  // --- 3. names ---

  void add_name(std::uint32_t scope, std::string_view name) {
    NameForm form = form_of_name(name);
    if (form.text.size() > Scope::kMaxName) return;  // longer than any name of a request
    NameKey key{scope, form.kind, std::move(form.text)};
    // The rule itself is pushed after its names.
    std::vector<std::uint32_t>& rules = rules_by_name_[std::move(key)];
    if (rules.empty() || rules.back() != size32(rules_)) rules.push_back(size32(rules_));
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
          policy_.records.push_back(
              {bucket.number, place.key, place.way, place.regex, method, choice});
        }
      }
    }
    buckets_.push_back(bucket);
  }

  // --- 4. paths ---

  void sort_methods() {
    std::vector<std::uint32_t> sorted(methods_.size() + 1, kAnyMethod);
    for (const auto& [method, number] : methods_) {  // a map: in order
      policy_.methods.push_back(method);
      sorted[number] = size32(policy_.methods);
    }
    for (Record& record : policy_.records) record.method = sorted[record.method];
  }

  // --- 5. names by their hash ---

  void make_names() {
    auto number = bucket_by_name_.cbegin();
    for (const auto& [key, rules] : rules_by_name_) link_name(key, buckets_[*number++]);
    policy_.name_index = HashIndex(policy_.names.size());
    for (std::uint32_t i = 0; i < size32(policy_.names); ++i) {
      const PublicName& name = policy_.names[i];
      const std::string_view text = name.key.view(name.key_size, policy_.text);
      policy_.name_index.insert(name_hash(name.scope, name.kind, text), i);
    }
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
    name.key.set(key.text, policy_.text);
  }

  const settings::Settings& settings_;
  Findings& findings_;
  CompiledPolicy policy_;
  SourceSets sources_;

  std::unordered_map<std::string_view, std::uint32_t> scope_by_listener_;
  std::map<std::string, std::uint32_t> methods_;
  std::unordered_map<std::string_view, std::uint32_t> regexes_;
  std::unordered_map<std::string, std::uint32_t> path_numbers_;
  std::vector<PathPlace> places_;                                // of all paths of rules_
  std::vector<RuleParts> rules_;                                 // enabled ones
  std::map<NameKey, std::vector<std::uint32_t>> rules_by_name_;  // indexes into rules_
  std::vector<std::uint32_t> bucket_by_name_;                    // in the order of rules_by_name_
  std::vector<Bucket> buckets_;
};

}  // namespace

CompiledPolicy compile_policy(const settings::Settings& settings,
                              std::span<const IpAddress> own_addresses, Findings& findings) {
  return Compiler(settings, own_addresses, findings).run();
}

}  // namespace ocsproxy::rules
