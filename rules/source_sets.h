// The first step of compiling a policy: who asks.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "rules/compiled_policy.h"
#include "rules/network_map.h"

namespace ocsproxy::rules {

// Cuts the address space and fills the sets of `policy`; `policy` and `findings` outlive it.
class SourceSets {
 public:
  // Fills atoms and networks for all of `settings`.
  SourceSets(const settings::Settings& settings, std::span<const IpAddress> own_addresses,
             CompiledPolicy& policy, Findings& findings);

  // The number of the set of addresses that `rule` is for. Rules mostly repeat the same few
  // sources: each list is computed once.
  std::uint32_t set_of(const settings::Rule& rule);
  // The same for the networks that `listener` serves.
  std::uint32_t served_by(const settings::Listener& listener);

 private:
  void cut_space(const settings::Settings& settings);
  AddressSet addresses(const std::vector<settings::Source>& sources);
  void append_network(const std::string& name, Location where, std::vector<AddressRange>& ranges);

  const NetworkMap networks_;
  CompiledPolicy& policy_;
  Findings& findings_;
  std::unordered_map<std::string, std::uint32_t> set_by_sources_;
};

}  // namespace ocsproxy::rules
