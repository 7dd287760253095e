// What concerns the process and not one listener or rule, and the parts that all readers share.
#include "base/files.h"
#include "settings/fields.h"
#include "settings/readers.h"

namespace ocsproxy::settings {
namespace {

using std::chrono::hours;

constexpr NumberRange kWorkers{1, 256};
constexpr DurationRange kDrain{milliseconds(0), hours(24)};
// Less does not serve; more no machine has.
constexpr SizeRange kMemory{std::uint64_t{16} << 20, std::uint64_t{1} << 50};
constexpr std::size_t kLongestName = 200;

std::string resolved(std::string_view path, const Reading& reading) {
  return resolve_path(reading.settings.directory, std::string(path));
}

}  // namespace

void read_name(Fields& fields, Located<std::string>& name) {
  fields.text("name", name);
  if (!fields.has("name")) fields.missing("name", "the log and messages speak of it by its name");
  if (name->size() > kLongestName) {
    fields.findings().error("bad-name", name.where, "the name is longer than 200 bytes");
  } else if (name->starts_with(' ') || name->ends_with(' ')) {
    fields.findings().error("bad-name", name.where, "the name begins or ends with a space");
  }
}

void read_file_path(Fields& fields, std::string_view key, Located<std::string>& path,
                    const Reading& reading) {
  fields.text(key, path);
  if (!path->empty()) path.value = resolved(*path, reading);
}

void read_trusted_roots(const Node& node, Reading& reading) {
  if (!is_list(node, "trusted_roots", reading.findings)) {
    reading.complete.trusted_roots = false;
    return;
  }
  for (const Node& item : node.items) {
    const auto text = read_text(item, "trusted_roots", reading.findings);
    if (!text) {
      reading.complete.trusted_roots = false;
      continue;
    }
    reading.settings.trusted_roots.push_back(
        {*text == "system" ? "system" : resolved(*text, reading), item.where});
  }
}

void read_process_limits(const Node& node, Reading& reading) {
  Fields fields(node, "the \"limits\" of the process", reading.findings);
  fields.size("memory", kMemory, reading.settings.limits.memory);
  fields.number("connections", kConnectionsRange, reading.settings.limits.connections);
  fields.finish();
}

void read_access_log(const Node& node, Reading& reading) {
  using Format = AccessLog::Format;
  static constexpr std::array<Word<Format>, 2> kFormats{
      {{"w3c", Format::w3c}, {"json", Format::json}}};
  Fields fields(node, "\"access_log\"", reading.findings);
  AccessLog& log = reading.settings.access_log;
  read_file_path(fields, "path", log.path, reading);
  if (!fields.has("path"))
    fields.missing("path", "it is the file to write, for example log/access.log");
  Located<Format> format{log.format, {}};
  fields.word("format", kFormats, format);
  log.format = *format;
  fields.finish();
}

void read_workers(const Node& node, Reading& reading) {
  if (node.kind == Node::Kind::scalar && node.text == "auto") {
    reading.settings.workers = {0, node.where};
    return;
  }
  if (node.kind != Node::Kind::scalar || node.text.empty() || node.text.front() < '0' ||
      node.text.front() > '9') {
    report_type(node, "workers", "auto, or a number from 1 to 256", reading.findings);
    return;
  }
  if (const auto value = read_number(node, "workers", kWorkers, reading.findings)) {
    reading.settings.workers = {*value, node.where};
  }
}

void read_drain(const Node& node, Reading& reading) {
  if (const auto value = read_duration(node, "drain", kDrain, reading.findings)) {
    reading.settings.drain = {*value, node.where};
  }
}

void read_kernel_tls(const Node& node, Reading& reading) {
  if (const auto value = read_boolean(node, "kernel_tls", reading.findings)) {
    reading.settings.kernel_tls = {*value, node.where};
  }
}

}  // namespace ocsproxy::settings
