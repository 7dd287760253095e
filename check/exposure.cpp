#include "check/exposure.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "base/text.h"
#include "rules/path_text.h"

namespace ocsproxy {
namespace {

using rules::Area;
using rules::PathPair;

bool is_within(std::string_view path, std::string_view top) {
  return path.starts_with(top) && (path.size() == top.size() || path[top.size()] == '/');
}

// The paths of a box as they are called on the site.
std::vector<std::string> internal_paths(const rules::Box& box, const settings::Path& mapping) {
  const rules::PathCells& cells = box.group->cells;
  const std::string external = lower(mapping.external);
  if (mapping.kind == settings::Path::Kind::regex || external == lower(mapping.internal)) {
    return rules::describe_paths(cells, box.pairs);
  }
  const auto moved = [&](std::uint32_t key) {
    return lower(mapping.internal) + cells.key(key).substr(external.size());
  };
  std::vector<std::string> keys;
  for (std::uint32_t key = 0; key < cells.size(); ++key) {
    if (is_within(cells.key(key), external)) keys.push_back(moved(key));
  }
  const rules::PathCells inside(std::move(keys));
  std::vector<PathPair> pairs;
  for (const PathPair& pair : box.pairs) {
    if (!is_within(cells.key(pair.as_sent.key), external) ||
        !is_within(cells.key(pair.stripped.key), external)) {
      continue;
    }
    pairs.push_back({{inside.number(moved(pair.as_sent.key)), pair.as_sent.below},
                     {inside.number(moved(pair.stripped.key)), pair.stripped.below}});
  }
  std::sort(pairs.begin(), pairs.end());
  return rules::describe_paths(inside, pairs);
}

class Examination {
 public:
  explicit Examination(const rules::RequestSpace& space)
      : space_(space), table_(space.policies()[0].table->compiled()), examples_(table_) {}

  std::vector<NetworkExposure> run() {
    space_.for_each_area([this](const Area& area) { add(area); });
    std::vector<NetworkExposure> result;
    for (const std::string& name : table_.network_names) result.push_back({name, {}});
    for (auto& [key, part] : parts_) {
      const auto& [network, rule, path, listener, doubtful] = key;
      const settings::Path& mapping = space_.policies()[0].settings->rules[rule].paths[path];
      for (const rules::Box& box : part.region.take()) {
        const rules::BoxText words = rules::describe(space_, 0, box);
        put(result[network].exposed, {rule,
                                      space_.listeners()[listener].name,
                                      words.names,
                                      words.methods,
                                      words.from,
                                      internal_paths(box, mapping),
                                      part.regexes,
                                      {box},
                                      example_of(box, part, doubtful)});
      }
    }
    return result;
  }

 private:
  // What one path of a rule opens.
  struct Part {
    rules::Region region;
    std::set<std::string> regexes;      // that have a say
    std::vector<rules::Witness> found;  // where there are any: requests that it allows
  };

  void add(const Area& area) {
    const auto decisions = rules::possible_decisions(area.matches[0]);
    for (const rules::Decision& decision : decisions) {
      if (decision.verdict != rules::Verdict::allow) continue;
      // The part of the area that lies in each network.
      for (std::uint32_t atom = area.atoms.first; atom <= area.atoms.last;) {
        const std::uint32_t network = table_.network_by_atom[atom];
        const std::uint32_t first = atom;
        while (atom <= area.atoms.last && table_.network_by_atom[atom] == network) ++atom;
        Part& part = parts_[{network, decision.rule, decision.path, area.group->listener,
                             decisions.size() > 1}];
        const Area piece{area.group, area.pair, area.method, {first, atom - 1}, area.matches};
        part.region.add(piece);
        if (decisions.size() == 1) continue;
        for (const std::uint32_t regex : rules::doubtful_regexes(area.matches[0])) {
          part.regexes.insert(table_.regexes[regex]->pattern());
        }
        rules::Witness request = rules::witness_of(space_, piece);
        if (rules::find_decided(space_, piece, decision, examples_, request)) {
          part.found.push_back(std::move(request));
        }
      }
    }
  }

  // A request of the box that the rule allows, as easy to read as there is.
  std::optional<rules::Witness> example_of(const rules::Box& box, const Part& part, bool doubtful) {
    std::optional<rules::Witness> example;
    const auto offer = [&example](const rules::Witness& request) {
      if (!example || plainness(*example) < plainness(request)) example = request;
      return plainness(*example) == rules::kPlainest;
    };
    if (doubtful) {
      for (const rules::Witness& request : part.found) {
        if (rules::contains(space_, box, request) && offer(request)) break;
      }
      return example;
    }
    const IpAddress client = typical_client(box);
    const std::uint32_t get = box.group->find_method("GET");
    const bool has_get = std::binary_search(box.methods.begin(), box.methods.end(), get);
    const std::uint32_t method = has_get ? get : box.methods.front();
    for (const PathPair& pair : box.pairs) {
      rules::Witness request =
          rules::witness_of(space_, {box.group, pair, method, box.atoms.front(), {}});
      request.client = client;
      if (offer(request)) break;
    }
    return example;
  }

  IpAddress typical_client(const rules::Box& box) const {
    std::vector<AddressRange> clients;
    for (const rules::AtomRange& run : box.atoms) {
      for (std::uint32_t atom = run.first; atom <= run.last; ++atom) {
        clients.push_back(space_.atoms().range(atom));
      }
    }
    return rules::typical_address(rules::AddressSet(std::move(clients)));
  }

  // What differs in its names alone is one line.
  static void put(std::vector<Exposed>& list, Exposed one) {
    const auto same = [&](const Exposed& other) {
      return std::tie(other.rule, other.listener, other.methods, other.from, other.paths,
                      other.regexes) ==
             std::tie(one.rule, one.listener, one.methods, one.from, one.paths, one.regexes);
    };
    if (!list.empty() && same(list.back())) {
      list.back().names += ", " + one.names;
      list.back().boxes.push_back(std::move(one.boxes.front()));
      if (!list.back().example) list.back().example = std::move(one.example);
    } else {
      list.push_back(std::move(one));
    }
  }

  const rules::RequestSpace& space_;
  const rules::CompiledPolicy& table_;
  rules::RegexExamples examples_;
  // By network, rule, path, listener and whether a regex has a say.
  std::map<std::tuple<std::uint32_t, std::uint32_t, std::uint32_t, std::uint32_t, bool>, Part>
      parts_;
};

}  // namespace

std::vector<NetworkExposure> examine_exposure(const rules::RequestSpace& space) {
  return Examination(space).run();
}

}  // namespace ocsproxy
