#include "proxy/rule_counts.h"

#include <string_view>
#include <unordered_map>

namespace ocsproxy {

RuleCounts::RuleCounts(const settings::Settings& settings, std::size_t workers,
                       const settings::Settings* before)
    : before_(settings.rules.size(), kNew) {
  rows_.reserve(workers);
  for (std::size_t i = 0; i < workers; ++i) rows_.emplace_back(settings.rules.size());
  if (before == nullptr) return;
  std::unordered_map<std::string_view, std::uint32_t> places;
  for (std::uint32_t i = 0; i < before->rules.size(); ++i)
    places.emplace(*before->rules[i].name, i);
  for (std::size_t i = 0; i < before_.size(); ++i) {
    const auto known = places.find(*settings.rules[i].name);
    if (known != places.end()) before_[i] = known->second;
  }
}

std::uint64_t RuleCounts::total(std::size_t rule) const {
  std::uint64_t sum = 0;
  for (const auto& row : rows_) sum += row[rule].value();
  return sum;
}

void RuleCounts::continue_from(const RuleCounts& before, std::size_t worker) {
  const std::vector<Counter>& old = before.rows_[worker];
  std::vector<Counter>& row = rows_[worker];
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (before_[i] != kNew) row[i].add(old[before_[i]].value());
  }
}

}  // namespace ocsproxy
