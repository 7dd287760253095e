#include "rules/request_space.h"

#include <algorithm>
#include <map>
#include <set>

#include "rules/name_lookup.h"
#include "rules/regex_prefix.h"

namespace ocsproxy::rules {
namespace {

std::vector<const CompiledPolicy*> compiled(const std::vector<Policy>& policies) {
  std::vector<const CompiledPolicy*> result;
  result.reserve(policies.size());
  for (const Policy& policy : policies) result.push_back(&policy.table->compiled());
  return result;
}

AddressAtoms joint_atoms(const std::vector<Policy>& policies) {
  std::vector<AddressRange> ranges;
  for (const Policy& policy : policies) {
    const AddressAtoms& atoms = policy.table->compiled().atoms;
    for (std::uint32_t atom = 0; atom < atoms.size(); ++atom) ranges.push_back(atoms.range(atom));
  }
  return AddressAtoms(ranges);
}

// Could a part of the pattern look at the case of letters, which cells leave open?
bool may_see_case(std::string_view pattern) {
  for (auto at = pattern.find("(?"); at != std::string_view::npos;
       at = pattern.find("(?", at + 1)) {
    if (!pattern.substr(at + 2).starts_with(':')) return true;
  }
  return false;
}

// Do two texts differ where both still have letters, so that no text begins with both?
bool parts_before_end(std::string_view one, std::string_view other) {
  const std::size_t size = std::min(one.size(), other.size());
  return one.substr(0, size) != other.substr(0, size);
}

// A record that matches the paths of a pair, as sent or stripped.
struct Candidate {
  std::uint32_t policy = 0;
  bool stripped = false;
  std::uint32_t regex = kNone;
  const Record* record = nullptr;

  auto order() const { return std::tuple(policy, stripped, record->choice.entry); }
};

// Visits the areas of one group.
class GroupVisitor {
 public:
  using Buckets = std::vector<std::vector<std::uint32_t>>;  // by policy

  GroupVisitor(const RequestSpace& space, std::shared_ptr<const RequestGroup> group,
               const std::vector<std::vector<std::span<const Record>>>& records,
               const std::vector<std::vector<std::uint32_t>>& first_atoms,
               const std::vector<std::vector<std::string>>& regex_prefixes,
               const std::function<void(const Area&)>& visit)
      : space_(space),
        group_(std::move(group)),
        first_atoms_(first_atoms),
        regex_prefixes_(regex_prefixes),
        visit_(visit),
        records_by_key_(group_->cells.size()),
        matches_(space.policies().size()) {
    for (std::uint32_t policy = 0; policy < size32(records); ++policy) {
      const CompiledPolicy& table = compiled_of(policy);
      for (const auto& run : records[policy]) {
        for (const Record& record : run) {
          const std::uint32_t key = group_->cells.number(table.path_keys[record.path]);
          records_by_key_[key].push_back({policy, false, kNone, &record});
        }
      }
    }
  }

  void run() {
    for (const PathPair& pair : group_->cells.pairs()) {
      candidates_.clear();
      gather(pair.as_sent, false);
      gather(pair.stripped, true);
      std::sort(candidates_.begin(), candidates_.end(),
                [](const Candidate& a, const Candidate& b) { return a.order() < b.order(); });
      for (std::uint32_t method = 0; method <= size32(group_->methods); ++method) {
        sweep(pair, method);
      }
    }
  }

 private:
  // Where something begins or ends to hold. A candidate by its number; behind the last one the
  // policies' listeners.
  struct Event {
    std::uint32_t atom = 0;
    std::uint32_t what = 0;
    bool begins = false;
  };

  const CompiledPolicy& compiled_of(std::uint32_t policy) const {
    return space_.policies()[policy].table->compiled();
  }

  void gather(PathCell cell, bool stripped) {
    for (std::uint32_t key = cell.key;; key = group_->cells.parent(key)) {
      const bool is_path = key == cell.key && !cell.below;
      for (Candidate candidate : records_by_key_[key]) {
        if (candidate.record->way == Way::exact && !is_path) continue;
        candidate.stripped = stripped;
        if (candidate.record->way == Way::regex && !settle_regex(candidate, cell)) continue;
        candidates_.push_back(candidate);
      }
      if (key == 0) return;
    }
  }

  // False when the regex matches no path of the cell.
  bool settle_regex(Candidate& candidate, PathCell cell) const {
    const std::uint32_t number = candidate.record->regex;
    const re2::RE2& regex = *compiled_of(candidate.policy).regexes[number];
    if (cell.below && parts_before_end(regex_prefixes_[candidate.policy][number],
                                       group_->cells.key(cell.key) + '/')) {
      return false;
    }
    if (cell.below || may_see_case(regex.pattern())) {
      candidate.regex = candidate.record->regex;
      return true;
    }
    return re2::RE2::FullMatch(group_->cells.key(cell.key), regex);
  }

  void add_events(std::uint32_t policy, std::uint32_t set, std::uint32_t what) {
    const std::vector<std::uint32_t>& first = first_atoms_[policy];
    for (const AtomRange& range : compiled_of(policy).sets.ranges(set)) {
      events_.push_back({first[range.first], what, true});
      events_.push_back({first[range.last + 1], what, false});
    }
  }

  bool fits(const Candidate& candidate, std::uint32_t method) const {
    if (candidate.record->method == kAnyMethod) return true;
    return method < size32(group_->methods) &&
           compiled_of(candidate.policy).methods[candidate.record->method - 1] ==
               group_->methods[method];
  }

  void sweep(const PathPair& pair, std::uint32_t method) {
    events_.clear();
    const std::uint32_t count = size32(candidates_);
    for (std::uint32_t i = 0; i < count; ++i) {
      const Candidate& candidate = candidates_[i];
      if (fits(candidate, method)) {
        add_events(candidate.policy, candidate.record->choice.set, i);
      }
    }
    const auto& numbers = space_.listeners()[group_->listener].numbers;
    for (std::uint32_t policy = 0; policy < size32(numbers); ++policy) {
      if (numbers[policy] == kNone) continue;
      add_events(policy, compiled_of(policy).served_set[numbers[policy]], count + policy);
    }
    std::sort(events_.begin(), events_.end(),
              [](const Event& a, const Event& b) { return a.atom < b.atom; });
    std::set<std::uint32_t> open;
    for (auto event = events_.cbegin(); event != events_.cend();) {
      const std::uint32_t first = event->atom;
      for (; event != events_.cend() && event->atom == first; ++event) {
        // A set's ranges do not touch, so the order of what happens at one atom is no matter.
        if (event->begins) {
          open.insert(event->what);
        } else {
          open.erase(event->what);
        }
      }
      if (open.empty() || *open.rbegin() < count) continue;  // nobody serves it
      emit(pair, method, {first, event->atom - 1}, open);
    }
  }

  void emit(const PathPair& pair, std::uint32_t method, AtomRange atoms,
            const std::set<std::uint32_t>& open) {
    for (Matches& matches : matches_) {
      matches.served = false;
      matches.as_sent.clear();
      matches.stripped.clear();
    }
    for (const std::uint32_t what : open) {
      if (what >= size32(candidates_)) {
        matches_[what - size32(candidates_)].served = true;
        continue;
      }
      const Candidate& candidate = candidates_[what];
      Matches& matches = matches_[candidate.policy];
      (candidate.stripped ? matches.stripped : matches.as_sent)
          .push_back({candidate.record->choice.entry, candidate.regex});
    }
    visit_({group_, pair, method, atoms, matches_});
  }

  const RequestSpace& space_;
  const std::shared_ptr<const RequestGroup> group_;
  const std::vector<std::vector<std::uint32_t>>& first_atoms_;
  const std::vector<std::vector<std::string>>& regex_prefixes_;
  const std::function<void(const Area&)>& visit_;
  std::vector<std::vector<Candidate>> records_by_key_;
  std::vector<Candidate> candidates_;
  std::vector<Event> events_;
  std::vector<Matches> matches_;
};

void add_once(std::vector<Decision>& decisions, const Decision& decision) {
  const auto same = [&](const Decision& other) {
    return other.verdict == decision.verdict && other.rule == decision.rule &&
           other.path == decision.path;
  };
  if (std::none_of(decisions.begin(), decisions.end(), same)) decisions.push_back(decision);
}

// The entries that can win, up to the first that is certain. Of one regex only the first can.
std::vector<EntryId> possible_winners(const std::vector<Match>& matches) {
  std::vector<EntryId> result;
  for (auto match = matches.begin(); match != matches.end(); ++match) {
    const bool again = std::any_of(matches.begin(), match, [&](const Match& earlier) {
      return earlier.regex == match->regex;
    });
    if (!again) result.push_back(match->entry);
    if (match->is_certain()) return result;
  }
  result.push_back(kNoEntry);
  return result;
}

}  // namespace

std::string RequestGroup::method_witness(std::uint32_t method) const {
  if (method < size32(methods)) return methods[method];
  for (const std::string_view common : {"GET", "POST", "HEAD", "PUT", "DELETE"}) {
    if (find_method(common) == method) return std::string(common);
  }
  std::string other = "OTHER";
  while (find_method(other) != method) other += 'X';
  return other;
}

std::uint32_t RequestGroup::find_method(std::string_view method) const {
  const auto found = std::lower_bound(methods.begin(), methods.end(), method);
  return found != methods.end() && *found == method
             ? static_cast<std::uint32_t>(found - methods.begin())
             : size32(methods);
}

RequestSpace::RequestSpace(std::vector<Policy> policies)
    : policies_(std::move(policies)), names_(compiled(policies_)), atoms_(joint_atoms(policies_)) {
  std::map<std::string_view, std::uint32_t> known;
  for (std::uint32_t policy = 0; policy < size32(policies_); ++policy) {
    const auto& listeners = policies_[policy].settings->listeners;
    for (std::uint32_t i = 0; i < size32(listeners); ++i) {
      const auto [place, is_new] = known.try_emplace(*listeners[i].name, size32(listeners_));
      if (is_new) {
        listeners_.push_back(
            {*listeners[i].name, std::vector<std::uint32_t>(policies_.size(), kNone)});
      }
      listeners_[place->second].numbers[policy] = i;
    }
    const CompiledPolicy& table = policies_[policy].table->compiled();
    auto& first_atoms = first_atoms_.emplace_back();
    for (std::uint32_t atom = 0; atom < table.atoms.size(); ++atom) {
      first_atoms.push_back(atoms_.find(table.atoms.range(atom).first));
    }
    first_atoms.push_back(atoms_.size());
    auto& prefixes = regex_prefixes_.emplace_back();
    for (const auto& regex : table.regexes)
      prefixes.push_back(split_pattern(regex->pattern()).literal);
    auto& first_records = first_records_.emplace_back();
    for (std::uint32_t i = 0; i < size32(table.records); ++i) {
      while (first_records.size() <= table.records[i].bucket) first_records.push_back(i);
    }
    first_records.push_back(size32(table.records));
  }
}

void RequestSpace::for_each_area(const std::function<void(const Area&)>& visit,
                                 const MoreKeys& more) const {
  for (std::uint32_t listener = 0; listener < size32(listeners_); ++listener) {
    visit_listener(listener, visit, more);
  }
}

// Does one policy send plain HTTP to https, and another not? Only GET and HEAD are sent there.
bool RequestSpace::ways_in_differ(std::uint32_t listener) const {
  bool some = false, all = true;
  for (std::uint32_t policy = 0; policy < size32(policies_); ++policy) {
    const std::uint32_t number = listeners_[listener].numbers[policy];
    const bool redirects = number != kNone && policies_[policy].settings->listeners[number].http &&
                           policies_[policy].settings->listeners[number].http->redirect_to_https;
    (redirects ? some : all) = redirects;
  }
  return some && !all;
}

void RequestSpace::visit_listener(std::uint32_t listener,
                                  const std::function<void(const Area&)>& visit,
                                  const MoreKeys& more) const {
  // By policy the buckets of a name; names with the same ones are a group.
  std::map<std::vector<std::vector<std::uint32_t>>, std::vector<std::uint32_t>> groups;
  for (std::uint32_t name = 0; name < names_.size(); ++name) {
    std::vector<std::vector<std::uint32_t>> buckets(policies_.size());
    for (std::uint32_t policy = 0; policy < size32(policies_); ++policy) {
      const std::uint32_t number = listeners_[listener].numbers[policy];
      if (number == kNone) continue;
      const CompiledPolicy& table = policies_[policy].table->compiled();
      for (const std::uint32_t scope : {number, size32(table.scopes) - 1}) {
        for_each_bucket(table, scope, names_[name].witness,
                        [&](const Bucket& bucket) { buckets[policy].push_back(bucket.number); });
      }
      std::vector<std::uint32_t>& found = buckets[policy];
      std::sort(found.begin(), found.end());
      found.erase(std::unique(found.begin(), found.end()), found.end());
    }
    groups[std::move(buckets)].push_back(name);
  }
  const bool by_method = ways_in_differ(listener);
  for (const auto& [buckets, names] : groups) {
    std::vector<std::vector<std::span<const Record>>> records(policies_.size());
    std::vector<std::string> keys;
    std::set<std::string> methods;
    if (by_method) methods = {"GET", "HEAD"};
    for (std::uint32_t policy = 0; policy < size32(policies_); ++policy) {
      const CompiledPolicy& table = policies_[policy].table->compiled();
      for (const std::uint32_t bucket : buckets[policy]) {
        const std::uint32_t begin = first_records_[policy][bucket];
        const std::span<const Record> run(table.records.data() + begin,
                                          first_records_[policy][bucket + 1] - begin);
        records[policy].push_back(run);
        for (const Record& record : run) {
          keys.push_back(table.path_keys[record.path]);
          if (record.method != kAnyMethod) methods.insert(table.methods[record.method - 1]);
          if (more) more(record.choice.entry, keys);
        }
      }
    }
    auto group = std::make_shared<const RequestGroup>(RequestGroup{
        listener, names, PathCells(std::move(keys)), {methods.begin(), methods.end()}});
    GroupVisitor(*this, std::move(group), records, first_atoms_, regex_prefixes_, visit).run();
  }
}

std::vector<Decision> possible_decisions(const Matches& matches) {
  std::vector<Decision> result;
  for (const EntryId sent : possible_winners(matches.as_sent)) {
    const Decision as_sent = to_decision(sent);
    if (as_sent.verdict != Verdict::allow) {
      add_once(result, as_sent);
      continue;
    }
    for (const EntryId stripped : possible_winners(matches.stripped)) {
      const Decision without = to_decision(stripped);
      add_once(result, without.verdict == Verdict::allow ? as_sent : without);
    }
  }
  return result;
}

std::set<std::uint32_t> doubtful_regexes(const Matches& matches) {
  std::set<std::uint32_t> regexes;
  for (const auto* list : {&matches.as_sent, &matches.stripped}) {
    for (const Match& match : *list) {
      if (match.is_certain()) break;
      regexes.insert(match.regex);
    }
  }
  return regexes;
}

}  // namespace ocsproxy::rules
