#include "proxy/access_log.h"

#include "proxy/log_line.h"

namespace ocsproxy {
namespace {

// The longest form of each kind of field, escapes included.
constexpr std::size_t kMaxAgent = 512;
constexpr std::size_t kMaxReferrer = 1024;
constexpr std::size_t kMaxError = 512;
// The names, and room for all numbers, keys and separators.
static_assert(10 * kMaxLoggedName + kMaxAgent + kMaxReferrer + kMaxLoggedUrl + 2 * kMaxError +
                  2048 <
              kAccessLineBytes);

// ---- pieces that both formats share

// By <chrono>: gmtime_r takes a lock that all threads share.
void write_date(LogLine& line, std::chrono::system_clock::time_point time) {
  const std::chrono::year_month_day date(std::chrono::floor<std::chrono::days>(time));
  line.number(static_cast<std::uint64_t>(static_cast<int>(date.year())), 4).literal("-");
  line.number(static_cast<unsigned>(date.month()), 2).literal("-");
  line.number(static_cast<unsigned>(date.day()), 2);
}

void write_time(LogLine& line, std::chrono::system_clock::time_point time) {
  const std::chrono::hh_mm_ss clock(time - std::chrono::floor<std::chrono::days>(time));
  line.number(static_cast<std::uint64_t>(clock.hours().count()), 2).literal(":");
  line.number(static_cast<std::uint64_t>(clock.minutes().count()), 2).literal(":");
  line.number(static_cast<std::uint64_t>(clock.seconds().count()), 2);
}

std::string_view action_name(LogAction action) {
  switch (action) {
    case LogAction::allowed:
      return "Allowed";
    case LogAction::denied:
      return "Denied";
    case LogAction::failed:
      return "Failed";
    case LogAction::established:
      return "Established";
  }
  return "-";
}

std::string_view name_of(KernelPart part) {
  switch (part) {
    case KernelPart::none:
      return "";
    case KernelPart::sending:
      return "send";
    case KernelPart::both:
      return "both";
  }
  return "";
}

std::string_view scheme(const AccessRecord& record) {
  return record.client_secure ? "https" : "http";
}

std::string_view version_text(Version version) {
  return version == Version::http1_0 ? "1.0" : "1.1";
}

std::uint64_t milliseconds_taken(const AccessRecord& record) {
  return record.taken.count() < 0 ? 0 : static_cast<std::uint64_t>(record.taken.count());
}

// What a browser shows; the target alone where no URL can be made of it.
void write_url(LogLine& line, const AccessRecord& record) {
  if (record.target.starts_with('/') && !record.public_host.empty()) {
    line.foreign(scheme(record)).foreign("://").foreign(record.public_host);
  }
  line.foreign(record.target);
}

// ---- W3C

constexpr std::string_view kFields =
    "#Fields: c-ip\tcs-username\tc-agent\tsc-authenticated\tdate\ttime\ts-svcname\ts-computername\t"
    "cs-referred\tr-host\tr-ip\tr-port\ttime-taken\tcs-bytes\tsc-bytes\tcs-protocol\tcs-transport\t"
    "s-operation\tcs-uri\tcs-mime-type\ts-object-source\tsc-status\ts-cache-info\trule\t"
    "FilterInfo\tcs-Network\tsc-Network\terror-info\taction\tAuthenticationServer\t"
    "x-listener\tx-result-code\tx-request-id\tx-http-version\tx-client-port\tx-pinned\t"
    "x-upstream-sent\tx-upstream-received\tx-client-kernel-tls\tx-upstream-kernel-tls\n";

// The columns of a line in the order of kFields: tabs between them, "-" for what is not known.
class Columns {
 public:
  explicit Columns(LogLine& line) : line_(line) {}

  LogLine& next() {
    if (!line_.text().empty()) line_.literal("\t");
    return line_;
  }
  void unknown() { next().literal("-"); }
  void literal(std::string_view text) { next().literal(text); }
  void foreign(std::string_view text, std::size_t max = kMaxLoggedName) {
    if (text.empty()) return unknown();
    next().bound(max).foreign(text);
  }
  void number(std::uint64_t value) { next().number(value); }
  void number_unless_0(std::uint64_t value) {
    if (value == 0) return unknown();
    number(value);
  }

 private:
  LogLine& line_;
};

// "upstream timeout (idle) in response_body: detail"
void write_error(LogLine& line, const Error& error) {
  line.literal(to_string(error.side)).literal(" ").literal(to_string(error.kind));
  if (error.deadline != Deadline::none) {
    line.literal(" (").literal(to_string(error.deadline)).literal(")");
  }
  line.literal(" in ").literal(to_string(error.phase));
  if (!error.detail.empty()) line.literal(": ").bound(kMaxError).foreign(error.detail);
}

// c-ip to cs-referred
void client_columns(Columns& columns, const AccessRecord& record) {
  columns.next().address(record.client.ip);
  if (record.user.empty()) {
    columns.unknown();
  } else {
    columns.next()
        .bound(kMaxLoggedName)
        .foreign(record.user)
        .literal("?");  // ISA's mark: not verified
  }
  columns.foreign(record.user_agent, kMaxAgent);
  columns.literal("N");
  write_date(columns.next(), record.time);
  write_time(columns.next(), record.time);
  columns.literal("w3reverseproxy");
  columns.unknown();
  columns.foreign(record.referrer, kMaxReferrer);
}

// r-host to s-cache-info
void exchange_columns(Columns& columns, const AccessRecord& record) {
  const bool reached = record.upstream.port != 0;
  columns.foreign(record.site);
  if (reached) {
    columns.next().address(record.upstream.ip);
  } else {
    columns.unknown();
  }
  columns.number_unless_0(record.upstream.port);
  columns.number(milliseconds_taken(record));
  columns.number(record.from_client);
  columns.number(record.to_client);
  columns.literal(scheme(record));
  columns.literal("TCP");
  columns.foreign(record.method);
  if (record.target.empty()) {
    columns.unknown();
  } else {
    write_url(columns.next().bound(kMaxLoggedUrl), record);
  }
  columns.foreign(record.mime_type);
  columns.literal(reached ? "Inet" : "-");
  columns.number_unless_0(record.status);
  columns.unknown();
}

// ISA's field for what its HTTP filter said.
void write_filter_info(Columns& columns, const AccessRecord& record) {
  const bool reported = !record.filter_report.empty();
  if (record.dropped_fields == 0 && !reported) return columns.unknown();
  LogLine& line = columns.next();
  if (record.dropped_fields != 0) {
    line.literal("Fields with _ removed: ").number(record.dropped_fields);
    if (reported) line.literal("; ");
  }
  if (reported) {
    line.literal("HTTP filter would refuse: ").bound(kMaxError).foreign(record.filter_report);
  }
}

// rule to AuthenticationServer
void decision_columns(Columns& columns, const AccessRecord& record) {
  columns.foreign(record.rule);
  write_filter_info(columns, record);
  columns.foreign(record.client_network);
  columns.unknown();
  if (record.error == nullptr) {
    columns.unknown();
  } else {
    write_error(columns.next(), *record.error);
  }
  columns.literal(action_name(record.action));
  columns.unknown();
}

void own_columns(Columns& columns, const AccessRecord& record) {
  columns.foreign(record.listener);
  columns.number_unless_0(record.result_code);
  columns.foreign(record.request_id);
  columns.literal(version_text(record.version));
  columns.number_unless_0(record.client.port);
  columns.literal(record.pinned ? "1" : "0");
  columns.number(record.to_upstream);
  columns.number(record.from_upstream);
  columns.foreign(name_of(record.client_kernel_tls));
  columns.foreign(name_of(record.upstream_kernel_tls));
}

// ---- JSON

// Members of one object; what is not known is left out.
class Members {
 public:
  explicit Members(LogLine& line) : line_(line) {}

  LogLine& key(std::string_view name) {
    return line_.literal(line_.text().empty() ? "{\"" : ",\"").literal(name).literal("\":");
  }
  void literal(std::string_view name, std::string_view text) {
    key(name).literal("\"").literal(text).literal("\"");
  }
  void foreign(std::string_view name, std::string_view text, std::size_t max = kMaxLoggedName) {
    if (text.empty()) return;
    key(name).literal("\"").bound(max).foreign(text).literal("\"");
  }
  void number(std::string_view name, std::uint64_t value) { key(name).number(value); }
  void number_unless_0(std::string_view name, std::uint64_t value) {
    if (value != 0) number(name, value);
  }
  void address(std::string_view name, const IpAddress& ip) {
    key(name).literal("\"").address(ip).literal("\"");
  }

 private:
  LogLine& line_;
};

void request_members(Members& members, const AccessRecord& record) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(record.time);
  const auto millis =
      std::chrono::duration_cast<std::chrono::milliseconds>(record.time - seconds).count();
  LogLine& line = members.key("time").literal("\"");
  write_date(line, record.time);
  line.literal("T");
  write_time(line, record.time);
  line.literal(".").number(static_cast<std::uint64_t>(millis), 3).literal("Z\"");

  members.number("taken_ms", milliseconds_taken(record));
  members.address("client_ip", record.client.ip);
  members.number_unless_0("client_port", record.client.port);
  members.foreign("client_network", record.client_network);
  members.foreign("claimed_user", record.user);
  members.foreign("user_agent", record.user_agent, kMaxAgent);
  members.foreign("referrer", record.referrer, kMaxReferrer);
  members.foreign("method", record.method);
  if (!record.target.empty()) {
    write_url(members.key("url").literal("\"").bound(kMaxLoggedUrl), record);
    line.literal("\"");
  }
  members.literal("protocol", scheme(record));
  members.literal("http_version", version_text(record.version));
  members.foreign("listener", record.listener);
  members.foreign("request_id", record.request_id);
}

void outcome_members(Members& members, const AccessRecord& record) {
  members.foreign("rule", record.rule);
  members.literal("action", action_name(record.action));
  members.foreign("site", record.site);
  if (record.upstream.port != 0) {
    members.address("upstream_ip", record.upstream.ip);
    members.number("upstream_port", record.upstream.port);
  }
  members.key("pinned").literal(record.pinned ? "true" : "false");
  members.number_unless_0("status", record.status);
  members.number_unless_0("result_code", record.result_code);
  members.foreign("mime_type", record.mime_type);
  members.foreign("filter_would_refuse", record.filter_report, kMaxError);
  members.number_unless_0("dropped_fields", record.dropped_fields);
  members.number("from_client", record.from_client);
  members.number("to_client", record.to_client);
  members.number("to_upstream", record.to_upstream);
  members.number("from_upstream", record.from_upstream);
  members.foreign("client_kernel_tls", name_of(record.client_kernel_tls));
  members.foreign("upstream_kernel_tls", name_of(record.upstream_kernel_tls));
}

void error_members(Members& members, const Error& error) {
  members.literal("error_side", to_string(error.side));
  members.literal("error_kind", to_string(error.kind));
  members.literal("error_phase", to_string(error.phase));
  if (error.deadline != Deadline::none) members.literal("deadline", to_string(error.deadline));
  members.foreign("error_detail", error.detail, kMaxError);
}

}  // namespace

std::string_view format_w3c(const AccessRecord& record, std::span<char, kAccessLineBytes> buffer) {
  LogLine line(buffer, LogLine::Quoting::plain);
  Columns columns(line);
  client_columns(columns, record);
  exchange_columns(columns, record);
  decision_columns(columns, record);
  own_columns(columns, record);
  return line.literal("\n").text();
}

std::string_view format_json(const AccessRecord& record, std::span<char, kAccessLineBytes> buffer) {
  LogLine line(buffer, LogLine::Quoting::json);
  Members members(line);
  request_members(members, record);
  outcome_members(members, record);
  if (record.error != nullptr) error_members(members, *record.error);
  return line.literal("}\n").text();
}

std::string_view w3c_header(std::chrono::system_clock::time_point now,
                            std::span<char, kAccessLineBytes> buffer) {
  LogLine line(buffer, LogLine::Quoting::plain);
  line.literal("#Software: ocsproxy " OCSPROXY_VERSION "\n#Version: 1.0\n#Date: ");
  write_date(line, now);
  line.literal(" ");
  write_time(line, now);
  return line.literal("\n").literal(kFields).text();
}

}  // namespace ocsproxy
