#include "rules/source_sets.h"

namespace ocsproxy::rules {

using settings::Rule;

namespace {

void append_key(std::string& key, const settings::Source& source) {
  if (source.range) {
    key += 'r';
    for (const IpAddress* end : {&source.range->first, &source.range->last}) {
      key.append(end->bytes().begin(), end->bytes().end());
    }
  } else {
    key += 'n' + source.text + '\0';
  }
}

}  // namespace

SourceSets::SourceSets(const settings::Settings& settings, std::span<const IpAddress> own_addresses,
                       CompiledPolicy& policy, Findings& findings)
    : networks_(settings.networks, own_addresses), policy_(policy), findings_(findings) {
  cut_space(settings);
}

void SourceSets::cut_space(const settings::Settings& settings) {
  std::vector<AddressRange> ranges;
  for (const auto& network : networks_.networks()) {
    const auto& own = network.addresses.ranges();
    ranges.insert(ranges.end(), own.begin(), own.end());
  }
  for (const Rule& rule : settings.rules) {
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

std::uint32_t SourceSets::set_of(const Rule& rule) {
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

std::uint32_t SourceSets::served_by(const settings::Listener& listener) {
  std::vector<AddressRange> ranges;
  for (const auto& name : listener.networks) append_network(*name, name.where, ranges);
  return policy_.sets.add(policy_.atoms.atoms(AddressSet(std::move(ranges))));
}

AddressSet SourceSets::addresses(const std::vector<settings::Source>& sources) {
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

void SourceSets::append_network(const std::string& name, Location where,
                                std::vector<AddressRange>& ranges) {
  const AddressSet* network = networks_.addresses(name);
  if (network == nullptr) {
    findings_.error("unknown-network", where, '"' + name + "\" is no network");
    return;
  }
  ranges.insert(ranges.end(), network->ranges().begin(), network->ranges().end());
}

}  // namespace ocsproxy::rules
