// Writes JSON (RFC 8259) for machines that read what the program says.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ocsproxy {

// Appends to a text of its own, indented by two spaces a level. Commas and quotes are put by
// themselves; that keys stand in objects and what is opened is closed is the caller's to see to.
class JsonWriter {
 public:
  JsonWriter& begin_object() { return open('{'); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& begin_array() { return open('['); }
  JsonWriter& end_array() { return close(']'); }
  JsonWriter& key(std::string_view name);
  // Bytes that are no UTF-8 become U+FFFD.
  JsonWriter& text(std::string_view value);
  JsonWriter& number(std::uint64_t value);
  JsonWriter& boolean(bool value);

  JsonWriter& field(std::string_view name, std::string_view value) { return key(name).text(value); }
  JsonWriter& field(std::string_view name, std::uint64_t value) { return key(name).number(value); }

  // What was written, with a line end. To be called last.
  std::string take() { return std::move(out_) + '\n'; }

 private:
  JsonWriter& open(char bracket);
  JsonWriter& close(char bracket);
  void begin_value();
  void new_line();

  std::string out_;
  std::size_t depth_ = 0;
  bool first_ = true;       // nothing stands in the open object or array yet
  bool after_key_ = false;  // the value of a key comes next
};

}  // namespace ocsproxy
