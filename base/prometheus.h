// Writes the text format that Prometheus reads (version 0.0.4).
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>

namespace ocsproxy {

enum class MetricType : std::uint8_t { counter, gauge };

struct MetricLabel {
  std::string_view name;
  std::string_view value;
};

// The samples of one metric. Those with the same labels are added up.
class Samples {
 public:
  using Labels = std::initializer_list<MetricLabel>;
  void add(Labels labels, std::uint64_t value);

  const std::map<std::string, std::uint64_t>& by_labels() const { return values_; }

 private:
  std::map<std::string, std::uint64_t> values_;  // by the labels as they are written
};

class PrometheusText {
 public:
  // Each name once. Nothing is written of a metric without samples.
  void metric(std::string_view name, MetricType type, std::string_view help,
              const Samples& samples);
  void metric(std::string_view name, MetricType type, std::string_view help, std::uint64_t value);

  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

}  // namespace ocsproxy
