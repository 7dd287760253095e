#include "listeners/statistics.h"

#include "base/prometheus.h"
#include "listeners/process_usage.h"
#include "proxy/counter_families.h"

namespace ocsproxy {
namespace {

std::uint64_t seconds_of(std::chrono::system_clock::time_point time) {
  const auto since = time.time_since_epoch();
  return static_cast<std::uint64_t>(std::chrono::floor<std::chrono::seconds>(since).count());
}

void write_configuration(const Served& served, PrometheusText& text) {
  Samples build;
  build.add({{"version", OCSPROXY_VERSION}}, 1);
  text.metric("ocsproxy_build_info", MetricType::gauge, "Which program this is.", build);
  text.metric("ocsproxy_configuration_generation", MetricType::gauge,
              "How many loads this process has served, the one in force included.",
              served.snapshot->generation);
  text.metric("ocsproxy_configuration_loaded_timestamp_seconds", MetricType::gauge,
              "When the configuration in force was taken over.", seconds_of(served.since));
  text.metric("ocsproxy_workers", MetricType::gauge, "Threads that serve.", served.workers.size());
}

void write_listeners(const Served& served, PrometheusText& text) {
  Samples open;
  for (const auto& [name, load] : served.listeners) open.add({{"listener", name}}, load->total());
  text.metric("ocsproxy_listener_connections", MetricType::gauge,
              "Client connections open now, by listener (limits.connections).", open);
}

void write_rules(const Served& served, PrometheusText& text) {
  Samples requests;
  const auto& rules = served.snapshot->settings().rules;
  for (std::size_t i = 0; i < rules.size(); ++i)
    requests.add({{"rule", *rules[i].name}}, served.rules->total(i));
  text.metric("ocsproxy_rule_requests_total", MetricType::counter,
              "Requests that a rule decided, allowed or denied.", requests);
}

void write_process(const ProcessUsage& usage, PrometheusText& text) {
  text.metric("process_start_time_seconds", MetricType::gauge,
              "When the process began; all counters are from then on.", seconds_of(usage.started));
  text.metric("process_resident_memory_bytes", MetricType::gauge, "Resident memory.",
              usage.resident_bytes);
  text.metric("process_open_fds", MetricType::gauge, "Open descriptors.", usage.open_descriptors);
  text.metric("process_max_fds", MetricType::gauge, "Descriptors that may be open.",
              usage.most_descriptors);
}

}  // namespace

std::string statistics_text(const Served& served) {
  PrometheusText text;
  write_configuration(served, text);
  write_listeners(served, text);
  write_counters(served.workers, text);
  write_rules(served, text);
  if (served.access_log != nullptr) {
    text.metric("ocsproxy_access_log_lost_lines_total", MetricType::counter,
                "Lines of the access log that found no room.", served.access_log->lost());
  }
  write_process(process_usage(), text);
  return text.take();
}

}  // namespace ocsproxy
