// Lines of a log in the W3C extended format, as ocsproxy and ISA Server write it: values separated
// by tabs, "-" for none, named by the last #Fields line before them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "check/log_entry.h"

namespace ocsproxy {

// The columns of the lines to come. One thread.
class W3cColumns {
 public:
  // `names` is what stands behind "#Fields:".
  void set(std::string_view names);

  bool known() const { return !columns_.empty(); }
  // The names of columns that a replay cannot do without and that there are not; "" for none.
  const std::string& missing() const { return missing_; }

  // False when the line has not as many values as there are columns.
  bool read(std::string_view line, LogEntry& entry) const;

 private:
  static constexpr std::uint8_t kNotAsked = 0xff;

  std::vector<std::uint8_t> columns_;  // the LogField of each, or kNotAsked
  std::string missing_;
  LogForm form_ = LogForm::isa;
};

}  // namespace ocsproxy
