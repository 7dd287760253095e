#include "base/prometheus.h"

namespace ocsproxy {
namespace {

// In a label's value, where the quote has a meaning too, and in a help text, where it has none.
void append_escaped(std::string& out, std::string_view text, bool quoted) {
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
    } else {
      if (c == '\\' || (quoted && c == '"')) out += '\\';
      out += c;
    }
  }
}

std::string rendered(Samples::Labels labels) {
  std::string out;
  for (const MetricLabel& label : labels) {
    out.append(out.empty() ? "{" : ",").append(label.name).append("=\"");
    append_escaped(out, label.value, true);
    out += '"';
  }
  if (!out.empty()) out += '}';
  return out;
}

}  // namespace

void Samples::add(Labels labels, std::uint64_t value) { values_[rendered(labels)] += value; }

void PrometheusText::metric(std::string_view name, MetricType type, std::string_view help,
                            const Samples& samples) {
  if (samples.by_labels().empty()) return;
  out_.append("# HELP ").append(name).append(" ");
  append_escaped(out_, help, false);
  out_.append("\n# TYPE ").append(name);
  out_.append(type == MetricType::counter ? " counter\n" : " gauge\n");
  for (const auto& [labels, value] : samples.by_labels()) {
    out_.append(name).append(labels).append(" ").append(std::to_string(value)).append("\n");
  }
}

void PrometheusText::metric(std::string_view name, MetricType type, std::string_view help,
                            std::uint64_t value) {
  Samples one;
  one.add({}, value);
  metric(name, type, help, one);
}

}  // namespace ocsproxy
