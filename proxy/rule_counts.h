// How many requests each rule has decided.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/counter.h"
#include "settings/settings.h"

namespace ocsproxy {

// The counts of one load, a row for each worker. Rules that the load before had too, by name, go on
// from its counts.
class RuleCounts {
 public:
  // `before` is the load in force, null for the first.
  RuleCounts(const settings::Settings& settings, std::size_t workers,
             const settings::Settings* before);

  // By rule. The worker adds to its row, anyone may read.
  std::span<Counter> of(std::size_t worker) { return rows_[worker]; }
  // Summed over the workers.
  std::uint64_t total(std::size_t rule) const;

  // A worker switches from `before` to this load; nothing is added to its row there any more.
  void continue_from(const RuleCounts& before, std::size_t worker);

 private:
  static constexpr std::uint32_t kNew = 0xffffffff;
  std::vector<std::uint32_t> before_;  // by rule: its place in the load before
  std::vector<std::vector<Counter>> rows_;
};

}  // namespace ocsproxy
