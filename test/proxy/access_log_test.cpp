#include "proxy/access_log.h"

#include <array>

#include <nlohmann/json.hpp>

namespace ocsproxy {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::sys_days;
using namespace std::chrono_literals;

using Buffer = std::array<char, kAccessLineBytes>;

std::vector<std::string> split(std::string_view text, char by) {
  std::vector<std::string> parts;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(by, at), text.size());
    parts.emplace_back(text.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

// Name and value of each column, after the header that the log itself writes.
std::map<std::string, std::string> columns(const AccessRecord& record) {
  Buffer header_buffer;
  const std::string_view header = w3c_header(record.time, header_buffer);
  constexpr std::string_view kFields = "#Fields: ";
  const std::size_t start = header.find(kFields) + kFields.size();
  const auto names = split(header.substr(start, header.size() - start - 1), '\t');

  Buffer buffer;
  const std::string_view line = format_w3c(record, buffer);
  EXPECT_TRUE(line.ends_with('\n'));
  const auto values = split(line.substr(0, line.size() - 1), '\t');
  std::map<std::string, std::string> result;
  EXPECT_EQ(names.size(), values.size()) << line;
  for (std::size_t i = 0; i < std::min(names.size(), values.size()); ++i) {
    EXPECT_TRUE(result.emplace(names[i], values[i]).second) << "twice: " << names[i];
  }
  return result;
}

json object(const AccessRecord& record) {
  Buffer buffer;
  const std::string_view line = format_json(record, buffer);
  EXPECT_TRUE(line.ends_with("}\n"));
  return json::parse(line);
}

const Error kLate{.kind = ErrorKind::timeout,
                  .side = Side::upstream,
                  .phase = Phase::response_body,
                  .deadline = Deadline::idle,
                  .detail = "nothing came"};

AccessRecord full_record() {
  AccessRecord record;
  record.time = sys_days{2026y / 1 / 31} + 23h + 5min + 9s + 7ms;
  record.taken = 1234ms;
  record.client = {*IpAddress::parse("198.51.100.7"), 50123};
  record.client_network = "External";
  record.user = "CONTOSO/joe";
  record.user_agent = "OC/3.5.6907 (Communicator)";
  record.referrer = "https://x.test/a";
  record.method = "POST";
  record.public_host = "ocsweb.contoso.com";
  record.target = "/abs/ext/handler?a=b";
  record.client_secure = true;
  record.listener = "OCS External Web Farm";
  record.request_id = "00c0ffee00c0ffee";
  record.rule = "OCS rule";
  record.action = LogAction::failed;
  record.site = "ocspool.contoso.local";
  record.upstream = {*IpAddress::parse("2001:db8::5"), 443};
  record.pinned = true;
  record.status = 504;
  record.result_code = 10060;
  record.mime_type = "text/html; charset=utf-8";
  record.error = &kLate;
  record.dropped_fields = 2;
  record.filter_report = "query 4711 > 4096";
  record.from_client = 11;
  record.to_client = 22;
  record.to_upstream = 33;
  record.from_upstream = 44;
  record.client_kernel_tls = KernelPart::sending;
  record.upstream_kernel_tls = KernelPart::both;
  return record;
}

TEST(AccessLog, W3cColumnsReadAsAnAdministratorOfIsaServerExpects) {
  const std::map<std::string, std::string> expected = {
      {"c-ip", "198.51.100.7"},
      {"cs-username", "CONTOSO/joe?"},
      {"c-agent", "OC/3.5.6907 (Communicator)"},
      {"sc-authenticated", "N"},
      {"date", "2026-01-31"},
      {"time", "23:05:09"},
      {"s-svcname", "w3reverseproxy"},
      {"s-computername", "-"},
      {"cs-referred", "https://x.test/a"},
      {"r-host", "ocspool.contoso.local"},
      {"r-ip", "2001:db8::5"},
      {"r-port", "443"},
      {"time-taken", "1234"},
      {"cs-bytes", "11"},
      {"sc-bytes", "22"},
      {"cs-protocol", "https"},
      {"cs-transport", "TCP"},
      {"s-operation", "POST"},
      {"cs-uri", "https://ocsweb.contoso.com/abs/ext/handler?a=b"},
      {"cs-mime-type", "text/html; charset=utf-8"},
      {"s-object-source", "Inet"},
      {"sc-status", "504"},
      {"s-cache-info", "-"},
      {"rule", "OCS rule"},
      {"FilterInfo", "Fields with _ removed: 2; HTTP filter would refuse: query 4711 > 4096"},
      {"cs-Network", "External"},
      {"sc-Network", "-"},
      {"error-info", "upstream timeout (idle) in response_body: nothing came"},
      {"action", "Failed"},
      {"AuthenticationServer", "-"},
      {"x-listener", "OCS External Web Farm"},
      {"x-result-code", "10060"},
      {"x-request-id", "00c0ffee00c0ffee"},
      {"x-http-version", "1.1"},
      {"x-client-port", "50123"},
      {"x-pinned", "1"},
      {"x-upstream-sent", "33"},
      {"x-upstream-received", "44"},
      {"x-client-kernel-tls", "send"},
      {"x-upstream-kernel-tls", "both"},
  };
  EXPECT_EQ(columns(full_record()), expected);
}

TEST(AccessLog, JsonSaysTheSame) {
  const json expected = {
      {"time", "2026-01-31T23:05:09.007Z"},
      {"taken_ms", 1234},
      {"client_ip", "198.51.100.7"},
      {"client_port", 50123},
      {"client_network", "External"},
      {"claimed_user", "CONTOSO/joe"},
      {"user_agent", "OC/3.5.6907 (Communicator)"},
      {"referrer", "https://x.test/a"},
      {"method", "POST"},
      {"url", "https://ocsweb.contoso.com/abs/ext/handler?a=b"},
      {"protocol", "https"},
      {"http_version", "1.1"},
      {"listener", "OCS External Web Farm"},
      {"request_id", "00c0ffee00c0ffee"},
      {"rule", "OCS rule"},
      {"action", "Failed"},
      {"site", "ocspool.contoso.local"},
      {"upstream_ip", "2001:db8::5"},
      {"upstream_port", 443},
      {"pinned", true},
      {"status", 504},
      {"result_code", 10060},
      {"mime_type", "text/html; charset=utf-8"},
      {"filter_would_refuse", "query 4711 > 4096"},
      {"dropped_fields", 2},
      {"from_client", 11},
      {"to_client", 22},
      {"to_upstream", 33},
      {"from_upstream", 44},
      {"client_kernel_tls", "send"},
      {"upstream_kernel_tls", "both"},
      {"error_side", "upstream"},
      {"error_kind", "timeout"},
      {"error_phase", "response_body"},
      {"deadline", "idle"},
      {"error_detail", "nothing came"},
  };
  EXPECT_EQ(object(full_record()), expected);
}

TEST(AccessLog, WhatIsNotKnownIsADashAndNoMember) {
  AccessRecord record;
  record.time = sys_days{1970y / 1 / 1};
  for (const auto& [name, value] : columns(record)) {
    static const std::map<std::string, std::string> kKnown = {
        {"c-ip", "::"},
        {"sc-authenticated", "N"},
        {"date", "1970-01-01"},
        {"time", "00:00:00"},
        {"s-svcname", "w3reverseproxy"},
        {"time-taken", "0"},
        {"cs-bytes", "0"},
        {"sc-bytes", "0"},
        {"cs-protocol", "http"},
        {"cs-transport", "TCP"},
        {"action", "Allowed"},
        {"x-http-version", "1.1"},
        {"x-pinned", "0"},
        {"x-upstream-sent", "0"},
        {"x-upstream-received", "0"},
    };
    const auto known = kKnown.find(name);
    EXPECT_EQ(value, known == kKnown.end() ? "-" : known->second) << name;
  }
  const json parsed = object(record);
  EXPECT_FALSE(parsed.contains("rule"));
  EXPECT_FALSE(parsed.contains("url"));
  EXPECT_FALSE(parsed.contains("upstream_ip"));
  EXPECT_FALSE(parsed.contains("error_kind"));
}

TEST(AccessLog, ActionsHaveTheNamesOfIsaServer) {
  AccessRecord record;
  const std::pair<LogAction, std::string> rows[] = {{LogAction::allowed, "Allowed"},
                                                    {LogAction::denied, "Denied"},
                                                    {LogAction::failed, "Failed"},
                                                    {LogAction::established, "Established"}};
  for (const auto& [action, name] : rows) {
    record.action = action;
    EXPECT_EQ(columns(record)["action"], name);
    EXPECT_EQ(object(record)["action"], name);
  }
}

struct Url {
  std::string_view situation;
  bool secure;
  std::string_view host;
  std::string_view target;
  std::string_view expected;
};

TEST(AccessLog, TheUrlIsWhatTheClientAskedFor) {
  constexpr Url kRows[] = {
      {"https", true, "a.test:8443", "/x", "https://a.test:8443/x"},
      {"http", false, "a.test", "/x?y", "http://a.test/x?y"},
      {"no host", true, "", "/x", "/x"},
      {"absolute-form as it came", true, "a.test", "https://b.test/x", "https://b.test/x"},
      {"no URL at all", true, "a.test", "*", "*"},
  };
  for (const Url& row : kRows) {
    AccessRecord record;
    record.client_secure = row.secure;
    record.public_host = row.host;
    record.target = row.target;
    EXPECT_EQ(columns(record)["cs-uri"], row.expected) << row.situation;
    EXPECT_EQ(object(record)["url"], row.expected) << row.situation;
  }
}

// Every field that somebody else fills.
template <typename Set>
void for_each_foreign(Set set) {
  using Field = std::string_view AccessRecord::*;
  for (const Field field :
       {&AccessRecord::client_network, &AccessRecord::user, &AccessRecord::user_agent,
        &AccessRecord::referrer, &AccessRecord::method, &AccessRecord::public_host,
        &AccessRecord::target, &AccessRecord::listener, &AccessRecord::request_id,
        &AccessRecord::rule, &AccessRecord::site, &AccessRecord::mime_type}) {
    set(field);
  }
}

TEST(AccessLog, OneRequestIsOneLineOfPrintableAsciiWhateverIsInIt) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  all += "\n#Software: forged\r\n\x1b[2J\",\"status\":200}\n";
  AccessRecord record = full_record();
  for_each_foreign([&](auto field) { record.*field = all; });
  Error error = kLate;
  error.detail = all;
  record.error = &error;
  for (auto* const format : {&format_w3c, &format_json}) {
    Buffer buffer;
    const std::string_view line = format(record, buffer);
    EXPECT_EQ(line.find('\n'), line.size() - 1);
    for (const char c : line.substr(0, line.size() - 1)) {
      EXPECT_TRUE(c == '\t' || (c >= ' ' && c <= '~')) << static_cast<int>(c);
    }
  }
  EXPECT_EQ(columns(record).size(), 40U);
  EXPECT_EQ(object(record)["status"], 504);
}

std::string unescaped(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i, 2) == "\\x") {
      result += static_cast<char>(std::stoi(std::string(text.substr(i + 2, 2)), nullptr, 16));
      i += 3;
    } else {
      result += text[i];
    }
  }
  return result;
}

TEST(AccessLog, WhatWasSentCanBeReadBackFromBothFormats) {
  const std::string agents[] = {"plain", "back\\slash \\x41", "quote\"s", "tab\tand\x01\x7f",
                                "Umlaut \xc3\xbc, broken \xc3"};
  for (const std::string& agent : agents) {
    AccessRecord record;
    record.user_agent = agent;
    EXPECT_EQ(unescaped(columns(record)["c-agent"]), agent);
    EXPECT_EQ(unescaped(object(record)["user_agent"].get<std::string>()), agent);
  }
}

TEST(AccessLog, LongFieldsAreCutAndTheLineFitsItsBuffer) {
  const std::string longest(100'000, '\\');  // each becomes four or five characters
  AccessRecord record = full_record();
  for_each_foreign([&](auto field) { record.*field = longest; });
  record.target = longest;
  Error error = kLate;
  error.detail = longest;
  record.error = &error;
  record.client.ip = *IpAddress::parse("2001:db8:1111:2222:3333:4444:5555:6666");
  record.upstream = {record.client.ip, 65535};
  record.taken = milliseconds::max();
  for (auto* const bytes :
       {&record.from_client, &record.to_client, &record.to_upstream, &record.from_upstream}) {
    *bytes = ~std::uint64_t{0};
  }
  const auto fields = columns(record);
  EXPECT_TRUE(fields.at("cs-uri").ends_with("..."));
  EXPECT_EQ(fields.at("x-upstream-received"), "18446744073709551615");
  EXPECT_TRUE(object(record)["url"].get<std::string>().ends_with("..."));
}

TEST(AccessLog, TheHeaderNamesSoftwareVersionDateAndFields) {
  Buffer buffer;
  const auto lines = split(w3c_header(sys_days{2024y / 2 / 29} + 12h + 1s, buffer), '\n');
  ASSERT_EQ(lines.size(), 5U);
  EXPECT_TRUE(lines[0].starts_with("#Software: ocsproxy "));
  EXPECT_EQ(lines[1], "#Version: 1.0");
  EXPECT_EQ(lines[2], "#Date: 2024-02-29 12:00:01");
  EXPECT_TRUE(lines[3].starts_with("#Fields: c-ip\tcs-username\t"));
  EXPECT_EQ(lines[4], "");
}

}  // namespace
}  // namespace ocsproxy
