#include "rules/region.h"

#include <algorithm>
#include <array>

#include "rules/path_text.h"

namespace ocsproxy::rules {
namespace {

// Ranges beyond this many help nobody.
constexpr std::size_t kMostRanges = 20;

void append(std::string& text, std::string_view part) {
  if (!text.empty()) text += ", ";
  text += part;
}

// Joins a range to those before it. They come in order.
void add_range(std::vector<AtomRange>& ranges, AtomRange range) {
  if (!ranges.empty() && ranges.back().last + 1 == range.first) {
    ranges.back().last = range.last;
  } else {
    ranges.push_back(range);
  }
}

AddressSet addresses_of(const RequestSpace& space, const std::vector<AtomRange>& atoms) {
  std::vector<AddressRange> ranges;
  for (const AtomRange& run : atoms) {
    for (std::uint32_t atom = run.first; atom <= run.last; ++atom) {
      ranges.push_back(space.atoms().range(atom));
    }
  }
  return AddressSet(std::move(ranges));
}

// Addresses that are set aside for documentation.
std::span<const IpAddress> examples() {
  static const std::array<IpAddress, 4> kExamples{
      IpAddress::parse("203.0.113.9").value(), IpAddress::parse("198.51.100.9").value(),
      IpAddress::parse("192.0.2.9").value(), IpAddress::parse("2001:db8::9").value()};
  return kExamples;
}

AddressSet network_of(const CompiledPolicy& table, std::uint32_t network) {
  std::vector<AddressRange> ranges;
  for (std::uint32_t atom = 0; atom < table.atoms.size(); ++atom) {
    if (table.network_by_atom[atom] == network) ranges.push_back(table.atoms.range(atom));
  }
  return AddressSet(std::move(ranges));
}

void append_ranges(std::string& text, std::span<const AddressRange> ranges) {
  for (const AddressRange& range : ranges.first(std::min(ranges.size(), kMostRanges))) {
    append(text, range.to_string());
  }
  if (ranges.size() > kMostRanges) {
    text += " and " + std::to_string(ranges.size() - kMostRanges) + " more ranges";
  }
}

// Networks by their names, with what they lack where that is shorter to say than what is left of
// them: "External (but not 198.51.100.0/24)".
std::string describe_addresses(const CompiledPolicy& table, AddressSet set) {
  if (set == AddressSet::all()) return "Anywhere";
  std::string text;
  for (std::uint32_t network = 0; network < size32(table.network_names); ++network) {
    const AddressSet whole = network_of(table, network);
    const AddressSet lacking = whole - set;
    const AddressSet left = whole - lacking;
    if (left.ranges().size() <= lacking.ranges().size()) continue;
    append(text, table.network_names[network]);
    if (!lacking.empty()) {
      std::string but;
      append_ranges(but, lacking.ranges());
      text += " (but not " + but + ')';
    }
    set = set - whole;
  }
  append_ranges(text, set.ranges());
  return text;
}

std::string describe_methods(const RequestGroup& group, const std::vector<std::uint32_t>& methods) {
  const std::uint32_t others = size32(group.methods);
  if (methods.size() == group.methods.size() + 1) return "any method";
  std::string text;
  if (methods.back() != others) {
    for (const std::uint32_t method : methods) append(text, group.methods[method]);
    return text;
  }
  for (std::uint32_t method = 0; method < others; ++method) {
    if (std::binary_search(methods.begin(), methods.end(), method)) continue;
    append(text, group.methods[method]);
  }
  return "any method but " + text;
}

// In one of the policies.
bool has_https(const RequestSpace& space, std::uint32_t listener) {
  const std::vector<std::uint32_t>& numbers = space.listeners()[listener].numbers;
  for (std::uint32_t policy = 0; policy < size32(numbers); ++policy) {
    const auto& listeners = space.policies()[policy].settings->listeners;
    if (numbers[policy] != kNone && listeners[numbers[policy]].https) return true;
  }
  return false;
}

}  // namespace

// An example, or the first that a host can have.
IpAddress typical_address(const AddressSet& set) {
  for (const IpAddress& example : examples()) {
    if (set.contains(example)) return example;
  }
  static const AddressRange kReserved = AddressRange::parse("0.0.0.0/8").value();
  const AddressRange* found = &set.ranges().front();
  for (const AddressRange& range : set.ranges()) {
    if (range.first.is_v4() && !kReserved.contains(range.last)) {
      found = &range;
      break;
    }
  }
  IpAddress address = found->first;
  if (kReserved.contains(address) && !kReserved.contains(found->last)) {
    address = kReserved.last;
  }
  const auto next = address.next();
  return next && *next <= found->last ? *next : found->first;
}

std::string Witness::to_string() const {
  const bool v6 = name.find(':') != std::string::npos;
  return method + (https ? " https://" : " http://") + (v6 ? '[' + name + ']' : name) + path +
         " from " + client.to_string();
}

void Region::add(const Area& area) {
  if (area.group != group_) {
    close_group();
    group_ = area.group;
  }
  add_range(open_[area.pair][area.method], area.atoms);
}

std::vector<Box> Region::take() {
  close_group();
  return std::move(boxes_);
}

void Region::close_group() {
  // Pairs that have the same methods and addresses stand together, and in each of these sets
  // methods that have the same addresses.
  std::map<std::map<std::uint32_t, std::vector<AtomRange>>, std::vector<PathPair>> pairs;
  for (const auto& [pair, methods] : open_) pairs[methods].push_back(pair);
  for (const auto& [methods, same] : pairs) {
    std::map<std::vector<AtomRange>, std::vector<std::uint32_t>> by_atoms;
    for (const auto& [method, atoms] : methods) by_atoms[atoms].push_back(method);
    for (const auto& [atoms, together] : by_atoms) {
      boxes_.push_back({group_, same, together, atoms});
    }
  }
  open_.clear();
}

Witness witness_of(const RequestSpace& space, const Area& area) {
  const RequestGroup& group = *area.group;
  return {space.listeners()[group.listener].name,
          typical_address(addresses_of(space, {area.atoms})),
          space.names()[group.names.front()].witness,
          group.cells.witness(area.pair),
          group.method_witness(area.method),
          has_https(space, group.listener)};
}

int plainness(const Witness& witness) {
  const auto known = examples();
  const bool plain = witness.path.find(';') == std::string::npos;
  const bool example = std::find(known.begin(), known.end(), witness.client) != known.end();
  return (plain ? 6 : 0) + (witness.method == "GET" ? 3 : 0) +
         (example                  ? 2
          : witness.client.is_v4() ? 1
                                   : 0);
}

void keep_plainer(const RequestSpace& space, const Area& area, bool first, Witness& witness,
                  const std::string& path) {
  if (!first && plainness(witness) == kPlainest) return;
  Witness other = witness_of(space, area);
  if (!path.empty()) other.path = path;
  if (first || plainness(other) > plainness(witness)) witness = std::move(other);
}

std::optional<Decision> decide(const RequestSpace& space, std::uint32_t number,
                               const Witness& witness) {
  const auto listener =
      std::find_if(space.listeners().begin(), space.listeners().end(),
                   [&](const RequestSpace::Listener& one) { return one.name == witness.listener; });
  if (listener == space.listeners().end() || listener->numbers[number] == kNone) return {};
  const RuleTable& table = *space.policies()[number].table;
  const ClientPosition client = table.locate(witness.client);
  if (!table.serves(listener->numbers[number], client)) return {};
  return table.decide(
      {listener->numbers[number], client, witness.name, witness.path, witness.method});
}

bool find_decided(const RequestSpace& space, const Area& area, const Decision& decision,
                  RegexExamples& examples, Witness& request) {
  if (decide(space, 0, request) == decision) return true;
  Witness other = request;
  for (const Match& match : area.matches[0].as_sent) {
    if (match.is_certain() || to_decision(match.entry) != decision) continue;
    for (const std::string& path : examples.of(match.regex)) {
      other.path = path;
      if (area.group->cells.find(path) != area.pair) continue;
      if (decide(space, 0, other) != decision) continue;
      request = std::move(other);
      return true;
    }
  }
  return false;
}

bool contains(const RequestSpace& space, const Box& box, const Witness& request) {
  const RequestGroup& group = *box.group;
  const auto has = [](const auto& sorted, const auto& value) {
    return std::binary_search(sorted.begin(), sorted.end(), value);
  };
  const std::uint32_t atom = space.atoms().find(request.client);
  return space.listeners()[group.listener].name == request.listener &&
         has(group.names, space.names().find(request.name)) &&
         has(box.methods, group.find_method(request.method)) &&
         std::any_of(
             box.atoms.begin(), box.atoms.end(),
             [atom](const AtomRange& run) { return run.first <= atom && atom <= run.last; }) &&
         has(box.pairs, group.cells.find(request.path));
}

BoxText describe(const RequestSpace& space, std::uint32_t number, const Box& box) {
  return {space.names().describe(box.group->names), describe_paths(box.group->cells, box.pairs),
          describe_methods(*box.group, box.methods),
          describe_addresses(space.policies()[number].table->compiled(),
                             addresses_of(space, box.atoms))};
}

}  // namespace ocsproxy::rules
