#include "check/w3c_log.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace ocsproxy {
namespace {

struct Column {
  std::string_view name;
  LogField field;
  bool needed = false;
};
constexpr std::array<Column, 11> kColumns{{{"c-ip", LogField::client, true},
                                           {"s-operation", LogField::method, true},
                                           {"cs-uri", LogField::url, true},
                                           {"cs-protocol", LogField::protocol},
                                           {"x-listener", LogField::listener},
                                           {"s-svcname", LogField::service},
                                           {"rule", LogField::rule, true},
                                           {"action", LogField::action, true},
                                           {"sc-status", LogField::status},
                                           {"r-host", LogField::site},
                                           {"error-info", LogField::error}}};

}  // namespace

void W3cColumns::set(std::string_view names) {
  columns_.clear();
  missing_.clear();
  std::array<bool, kLogFields> seen{};
  while (true) {
    names.remove_prefix(std::min(names.find_first_not_of(" \t"), names.size()));
    if (names.empty()) break;
    const std::string_view name = names.substr(0, names.find_first_of(" \t"));
    names.remove_prefix(name.size());
    const auto* const column = std::ranges::find(kColumns, name, &Column::name);
    std::uint8_t field = kNotAsked;
    if (column != kColumns.end()) field = static_cast<std::uint8_t>(column->field);
    columns_.push_back(field);
    if (field != kNotAsked) seen[field] = true;
  }
  for (const Column& column : kColumns) {
    if (!column.needed || seen[static_cast<std::size_t>(column.field)]) continue;
    missing_.append(missing_.empty() ? "" : ", ").append(column.name);
  }
  // Only our own log says which listener it was.
  form_ = seen[static_cast<std::size_t>(LogField::listener)] ? LogForm::w3c : LogForm::isa;
}

bool W3cColumns::read(std::string_view line, LogEntry& entry) const {
  entry.form = form_;
  entry.fields.fill({});
  const char* at = line.data();
  const char* const end = at + line.size();
  for (std::size_t column = 0; column < columns_.size(); ++column) {
    if (at == nullptr) return false;
    const auto* const tab =
        static_cast<const char*>(std::memchr(at, '\t', static_cast<std::size_t>(end - at)));
    if (const std::uint8_t field = columns_[column]; field != kNotAsked) {
      const std::string_view value(at, static_cast<std::size_t>((tab == nullptr ? end : tab) - at));
      if (value != "-") entry.fields[field] = value;
    }
    at = tab == nullptr ? nullptr : tab + 1;
  }
  return at == nullptr;
}

}  // namespace ocsproxy
