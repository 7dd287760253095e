// What the findings about a policy look at, and the questions that several of them have.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/finding.h"
#include "check/machine.h"
#include "rules/network_map.h"
#include "rules/rule_table.h"
#include "settings/settings.h"

namespace ocsproxy {

// Refers to settings, table and machine, which outlive it. One thread.
class Subject {
 public:
  Subject(const settings::Settings& settings, const rules::RuleTable& table,
          const Machine& machine);

  const settings::Settings& settings() const { return settings_; }
  const rules::RuleTable& table() const { return table_; }
  const Machine& machine() const { return machine_; }
  const rules::NetworkMap& networks() const { return networks_; }

  // The listener that a rule is published through, by its index; empty for a deny on all of them.
  std::optional<std::uint32_t> listener_of(const settings::Rule& rule) const;
  // Whose requests a listener takes.
  const rules::AddressSet& served_by(std::uint32_t listener) const { return served_[listener]; }
  // What one entry of `from` or `except_from` stands for.
  rules::AddressSet addresses(const settings::Source& source) const;
  // Whom a rule is for: `from` without `except_from`, through its listener.
  rules::AddressSet addresses(const settings::Rule& rule) const;
  bool is_external(const IpAddress& address) const;

 private:
  const settings::Settings& settings_;
  const rules::RuleTable& table_;
  const Machine& machine_;
  const rules::NetworkMap networks_;
  std::unordered_map<std::string_view, std::uint32_t> listeners_;
  std::vector<rules::AddressSet> served_;
};

// Is the rule, by a word of its name, its site or a public name, one for Office Communications
// Server or a successor? What is known of those products is said about such rules alone.
bool publishes_communications(const settings::Rule& rule);

}  // namespace ocsproxy
