// What the counters of workers are called, and mean, where they are read.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "base/prometheus.h"
#include "proxy/counters.h"

namespace ocsproxy {

struct CounterFamily {
  std::string_view name;
  MetricType type;
  std::string_view help;
  std::size_t bytes;  // that its member has of Counters
  void (*read)(const Counters& counters, Samples& samples);
};

// One for each member of Counters.
std::span<const CounterFamily> counter_families();

// All of them, summed over workers.
void write_counters(std::span<const Counters* const> workers, PrometheusText& text);

}  // namespace ocsproxy
