// Reads one file of YAML event by event. Only one entry of the file is in memory at a time, so that
// a hundred thousand rules cost no more than the settings that they become.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/finding.h"
#include "settings/node.h"

namespace ocsproxy::settings {

// Receives what stands under the top-level keys, in the order of the file.
class EntryHandler {
 public:
  virtual ~EntryHandler() = default;
  // Is the list under `key` to come element by element?
  virtual bool wants_elements(std::string_view key) const = 0;
  // A key with its whole value; also where `wants_elements` but the value is no list, or empty.
  virtual void on_entry(const Located<std::string>& key, const Node& value) = 0;
  virtual void on_element(const Located<std::string>& key, const Node& element) = 0;
};

// `file` is the number of `text` in the run's Sources; `text` is printable (settings/shown_text.h).
// Reports what YAML accepts and we do not: keys given twice, aliases, tags, several documents,
// quotes that the end of the file closes. False when the file was not read to its end, so that what
// it would have said is unknown.
bool read_yaml(const std::string& text, std::uint32_t file, EntryHandler& handler,
               Findings& findings);

}  // namespace ocsproxy::settings
