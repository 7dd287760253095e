#include "rules/reachability.h"

#include <algorithm>
#include <map>
#include <memory>
#include <set>

#include "base/text.h"
#include "rules/path_mapping.h"
#include "rules/path_parameters.h"

namespace ocsproxy::rules {
namespace {

using settings::Path;
using settings::Reach;
using settings::Rule;

// `path` is `top` or lies below it.
bool is_within(std::string_view path, std::string_view top) {
  return path.starts_with(top) && (path.size() == top.size() || path[top.size()] == '/');
}

// A path below `from` as it is called below `to`. Precondition: is_within(path, from).
std::string moved(std::string_view path, std::string_view from, std::string_view to) {
  return lower(to) + std::string(path.substr(from.size()));
}

bool is_in_claim(const Path& claim, std::string_view path) {
  const std::string top = lower(claim.external);
  return claim.kind == Path::Kind::prefix ? is_within(path, top) : path == top;
}

// One claim while the areas go by.
struct Progress {
  const Reach* reach = nullptr;
  AddressSet from;
  ReachProof proof;
  // "always": paths of the site below the claim at which some rule makes a cut; the cells between
  // them; and by pair who reaches it, for certain and perhaps.
  std::set<std::string> cuts;
  std::unique_ptr<PathCells> cells;
  struct Reached {
    AddressSet surely, perhaps;
  };
  std::map<PathPair, Reached> reached;
};

class Proof {
 public:
  Proof(const RequestSpace& space, const std::vector<Reach>& reaches)
      : space_(space), examples_(space.policies()[0].table->compiled()) {
    for (const Reach& reach : reaches) {
      Progress& one = claims_.emplace_back();
      one.reach = &reach;
      one.from = addresses_of(reach);
      one.cuts.insert(lower(reach.path.external));
    }
  }

  std::vector<ReachProof> run() {
    if (std::any_of(claims_.begin(), claims_.end(),
                    [](const Progress& one) { return one.reach->always; })) {
      space_.for_each_area([this](const Area& area) { find_cuts(area); });
    }
    for (Progress& one : claims_) {
      one.cells = std::make_unique<PathCells>(std::vector(one.cuts.begin(), one.cuts.end()));
    }
    space_.for_each_area(
        [this](const Area& area) { examine(area); },
        [this](EntryId entry, std::vector<std::string>& keys) { add_keys(entry, keys); });
    std::vector<ReachProof> result;
    for (Progress& one : claims_) {
      if (one.reach->always) settle(one);
      result.push_back(std::move(one.proof));
    }
    return result;
  }

 private:
  const settings::Settings& settings() const { return *space_.policies()[0].settings; }
  const CompiledPolicy& table() const { return space_.policies()[0].table->compiled(); }

  AddressSet addresses_of(const Reach& reach) const {
    std::vector<AddressRange> ranges;
    for (const settings::Source& source : reach.from) {
      if (source.range) {
        ranges.push_back(*source.range);
        continue;
      }
      for (std::uint32_t atom = 0; atom < table().atoms.size(); ++atom) {
        if (source.text == settings::kAnywhere ||
            table().network_names[table().network_by_atom[atom]] == source.text) {
          ranges.push_back(table().atoms.range(atom));
        }
      }
    }
    return AddressSet(std::move(ranges));
  }

  // The mapping of an entry that goes to the site of the claim; nullptr for others.
  const Path* mapping_to(const Progress& one, const Decision& decision) const {
    if (decision.verdict != Verdict::allow) return nullptr;
    const Rule& rule = settings().rules[decision.rule];
    return *rule.to->site == one.reach->site ? &rule.paths[decision.path] : nullptr;
  }

  // Where a path that the rules name lies on the site.
  void find_cuts(const Area& area) {
    for (Progress& one : claims_) {
      if (!one.reach->always) continue;
      for (const Match& match : area.matches[0].as_sent) {
        const Path* const mapping = mapping_to(one, to_decision(match.entry));
        if (mapping == nullptr) continue;
        for (const PathCell cell : {area.pair.as_sent, area.pair.stripped}) {
          const std::string& key = area.group->cells.key(cell.key);
          const std::string external = lower(mapping->external);
          if (!is_within(key, external)) continue;
          std::string internal = moved(key, external, mapping->internal);
          if (is_in_claim(one.reach->path, internal)) one.cuts.insert(std::move(internal));
        }
      }
    }
  }

  // The same the other way round: where the claim's cuts lie among the paths that clients see.
  void add_keys(EntryId entry, std::vector<std::string>& keys) const {
    for (const Progress& one : claims_) {
      const Path* const mapping = mapping_to(one, to_decision(entry));
      if (mapping == nullptr || mapping->kind == Path::Kind::exact) continue;
      const bool regex = mapping->kind == Path::Kind::regex;
      const std::string internal = regex ? "" : lower(mapping->internal);
      for (const std::string& cut : one.cuts) {
        if (!is_within(cut, internal)) continue;
        keys.push_back(moved(cut, internal, regex ? "" : mapping->external));
      }
    }
  }

  void examine(const Area& area) {
    const std::vector<Decision> decisions = possible_decisions(area.matches[0]);
    for (Progress& one : claims_) {
      for (const Decision& decision : decisions) {
        const Path* const mapping = mapping_to(one, decision);
        if (mapping != nullptr) examine(area, one, decision, *mapping, decisions.size() == 1);
      }
    }
  }

  void examine(const Area& area, Progress& one, const Decision& decision, const Path& mapping,
               bool certain) {
    const std::string path = area.group->cells.witness(area.pair);
    std::string buffer(path.size() + mapping.internal.size() + 1, '\0');
    const auto mapped = internal_path(mapping, path, buffer);
    if (!mapped) return;
    const std::string internal = lower(*mapped);
    const bool in_claim = is_in_claim(one.reach->path, internal);
    if (one.reach->always) {
      // The site's root, where a directory stands for it, says nothing of what is below; and what a
      // regex says of one path says nothing of others.
      const bool regex = mapping.kind == Path::Kind::regex;
      const bool root =
          !regex && mapping.internal.empty() && path.size() == mapping.external.size();
      if (in_claim && !root) note_reached(area, one, internal, certain && !regex);
    } else if (in_claim || is_in_claim(one.reach->path, without_parameters(internal))) {
      note_violation(area, one, decision, certain);
    }
  }

  AddressSet clients(const Area& area) const {
    std::vector<AddressRange> ranges;
    for (std::uint32_t atom = area.atoms.first; atom <= area.atoms.last; ++atom) {
      ranges.push_back(space_.atoms().range(atom));
    }
    return AddressSet(std::move(ranges));
  }

  void note_violation(const Area& area, Progress& one, const Decision& decision, bool certain) {
    ReachProof& proof = one.proof;
    const bool violated = proof.outcome == ReachProof::Outcome::violated;
    if (violated && plainness(*proof.request) == kPlainest) return;
    const AddressSet who = clients(area) & one.from;
    if (who.empty()) return;
    Witness witness = witness_of(space_, area);
    witness.client = typical_address(who);
    certain = certain || find_decided(space_, area, decision, examples_, witness);
    const bool plainer = !proof.request || plainness(witness) > plainness(*proof.request);
    if (violated ? !certain || !plainer : !certain && !plainer) return;
    proof.outcome = certain ? ReachProof::Outcome::violated : ReachProof::Outcome::undecided;
    proof.request = std::move(witness);
    proof.rule = decision.rule;
  }

  void note_reached(const Area& area, Progress& one, const std::string& internal, bool certain) {
    const RequestGroup& group = *area.group;
    if (group.find_method("GET") != area.method) return;
    Progress::Reached& reached = one.reached[one.cells->find(internal)];
    AddressSet& who = certain ? reached.surely : reached.perhaps;
    who = who | clients(area);
  }

  void settle(Progress& one) {
    // What people read easily first.
    for (const bool parameters : {false, true}) {
      for (const PathPair& pair : one.cells->pairs()) {
        if (pair.has_parameters() == parameters) settle(one, pair);
        if (one.proof.outcome == ReachProof::Outcome::violated) return;
      }
    }
  }

  void settle(Progress& one, const PathPair& pair) {
    std::string path = one.cells->witness(pair);
    if (!is_in_claim(one.reach->path, path) ||
        !is_in_claim(one.reach->path, without_parameters(path))) {
      return;
    }
    const Progress::Reached& reached = one.reached[pair];
    const AddressSet missing = one.from - reached.surely;
    if (missing.empty()) return;
    const AddressSet never = missing - reached.perhaps;
    one.proof.outcome =
        never.empty() ? ReachProof::Outcome::undecided : ReachProof::Outcome::violated;
    one.proof.client = typical_address(never.empty() ? missing : never);
    one.proof.internal_path = std::move(path);
  }

  const RequestSpace& space_;
  RegexExamples examples_;
  std::vector<Progress> claims_;
};

}  // namespace

std::vector<ReachProof> prove_reaches(const RequestSpace& space,
                                      const std::vector<Reach>& reaches) {
  return reaches.empty() ? std::vector<ReachProof>() : Proof(space, reaches).run();
}

}  // namespace ocsproxy::rules
