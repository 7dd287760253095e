#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "check/json_log.h"
#include "check/w3c_log.h"
#include "proxy/access_log.h"
#include "test/fuzz/targets.h"

namespace ocsproxy::fuzz {
namespace {

using Line = std::array<char, kAccessLineBytes>;

// What anybody may have sent or configured, cut out of the input at each unit separator.
class Pieces {
 public:
  explicit Pieces(std::string_view input) : rest_(input) {}

  std::string_view next() {
    const std::string_view piece = rest_.substr(0, rest_.find('\x1f'));
    rest_.remove_prefix(std::min(rest_.size(), piece.size() + 1));
    return piece;
  }
  std::uint64_t number() {
    std::uint64_t value = 0;
    for (const char c : next()) value = value * 256 + static_cast<unsigned char>(c);
    return value;
  }

 private:
  std::string_view rest_;
};

AccessRecord make_record(Pieces pieces, Error& error) {
  AccessRecord record;
  const std::uint64_t numbers = pieces.number();
  record.client = {IpAddress::from_v4(static_cast<std::uint32_t>(numbers)), 40000};
  record.version = numbers % 2 == 0 ? Version::http1_0 : Version::http1_1;
  record.client_secure = numbers / 2 % 2 == 0;
  record.action = static_cast<LogAction>(numbers / 4 % 4);
  record.pinned = numbers / 16 % 2 == 0;
  record.status = static_cast<std::uint16_t>(numbers / 32 % 1000);
  if (numbers / 64 % 2 == 0) record.upstream = {IpAddress::from_v4(0x7f000001), 443};
  record.taken = std::chrono::milliseconds(static_cast<std::int64_t>(pieces.number()));
  record.from_client = record.to_upstream = pieces.number();
  record.to_client = record.from_upstream = pieces.number();
  record.method = pieces.next();
  record.target = pieces.next();
  record.public_host = pieces.next();
  record.user = pieces.next();
  record.user_agent = pieces.next();
  record.referrer = pieces.next();
  record.mime_type = pieces.next();
  record.listener = pieces.next();
  record.rule = pieces.next();
  record.site = pieces.next();
  record.client_network = pieces.next();
  record.request_id = pieces.next();
  error.detail = pieces.next();
  if (!error.detail.empty()) record.error = &error;
  return record;
}

void require_one_printable_line(std::string_view line) {
  require(line.ends_with('\n') && line.find('\n') == line.size() - 1, "a request is one line");
  line.remove_suffix(1);
  require(std::ranges::all_of(line, [](char c) { return (c >= ' ' && c <= '~') || c == '\t'; }),
          "what was sent does nothing to a terminal");
}

std::string_view fields_line(Line& buffer) {
  std::string_view header = w3c_header({}, buffer);
  constexpr std::string_view kName = "#Fields: ";
  header.remove_prefix(header.find(kName) + kName.size());
  header.remove_suffix(1);
  return header;
}

std::string without_escapes(std::string_view text, LogForm form) {
  std::string buffer(text.size(), '\0');
  return std::string(unescaped(text, form, buffer));
}

// Whole in both lines, it is in both the same; cut, each format cuts where its own escapes end.
void require_same(const LogEntry& w3c, const LogEntry& json, LogField field) {
  if (w3c[field].ends_with("...") || json[field].ends_with("...")) return;
  const std::string_view in_w3c = w3c[field] == "-" ? "" : w3c[field];
  const std::string in_json = without_escapes(json[field], LogForm::json);
  if (in_json == "-") return;  // which in W3C is nothing
  require(without_escapes(in_w3c, LogForm::w3c) == in_json, "both formats say the same");
}

}  // namespace

// The fields of a record, each ended by a unit separator; the first four are numbers.
void log_lines(std::string_view input) {
  Error error{.kind = ErrorKind::malformed, .side = Side::upstream, .phase = Phase::response_head};
  const AccessRecord record = make_record(Pieces(input), error);
  const auto buffers = std::make_unique<std::array<Line, 3>>();
  std::string_view w3c = format_w3c(record, (*buffers)[0]);
  std::string_view json = format_json(record, (*buffers)[1]);
  require_one_printable_line(w3c);
  require_one_printable_line(json);
  require(json.find('\t') == std::string_view::npos, "JSON holds no raw control byte");
  w3c.remove_suffix(1);
  json.remove_suffix(1);

  W3cColumns columns;
  columns.set(fields_line((*buffers)[2]));
  require(columns.missing().empty(), "the header names the columns that are asked for");
  LogEntry from_w3c, from_json;
  require(columns.read(w3c, from_w3c), "a line has as many values as the header has names");
  require(read_json_line(json, from_json), "a line is one JSON object");
  for (const LogField field :
       {LogField::client, LogField::method, LogField::url, LogField::protocol, LogField::listener,
        LogField::rule, LogField::action, LogField::site}) {
    require_same(from_w3c, from_json, field);
  }
}

}  // namespace ocsproxy::fuzz
