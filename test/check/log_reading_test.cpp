// What is read of a line is what the access log wrote into it.
#include <random>

#include <nlohmann/json.hpp>

#include "check/json_log.h"
#include "check/w3c_log.h"
#include "proxy/access_log.h"

namespace ocsproxy {
namespace {

using nlohmann::json;

const std::map<std::string, LogField> kMembers = {
    {"client_ip", LogField::client},  {"method", LogField::method},
    {"url", LogField::url},           {"protocol", LogField::protocol},
    {"listener", LogField::listener}, {"rule", LogField::rule},
    {"action", LogField::action},     {"status", LogField::status},
    {"site", LogField::site},         {"error_phase", LogField::error_phase}};

// As a JSON reader says it, which knows nothing of our log's escapes.
std::string spelled_in_json(const json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

// The escapes of JSON undone, those of the log left.
std::string without_json_escapes(std::string_view text) {
  return json::parse('"' + std::string(text) + '"').get<std::string>();
}

void expect_as_nlohmann(const std::string& line) {
  LogEntry entry;
  if (!read_json_line(line, entry)) return;
  const json object = json::parse(line, nullptr, false);
  ASSERT_TRUE(object.is_object()) << line;
  for (const auto& [name, field] : kMembers) {
    const std::string expected = object.contains(name) ? spelled_in_json(object[name]) : "";
    EXPECT_EQ(without_json_escapes(entry[field]), expected) << name << " of " << line;
  }
}

class RandomRecords {
 public:
  explicit RandomRecords(unsigned seed) : random_(seed) {}

  // Bytes of every kind, now and then longer than there is room.
  std::string text() {
    std::string result(random_() % 30 == 0 ? random_() % 5000 : random_() % 12, '\0');
    for (char& c : result) {
      c = static_cast<char>(random_() % 4 == 0 ? random_() % 256 : 'a' + random_() % 26);
    }
    return result == "-" ? "" : result;  // which in W3C is no name
  }

  std::string rule = "-", listener = "-", host = "-", target = "/";
  AccessRecord next() {
    rule = text();
    listener = text();
    host = text();
    target = '/' + text();
    AccessRecord record;
    record.client.ip = IpAddress::from_v4(static_cast<std::uint32_t>(random_()));
    record.method = "GET";
    record.public_host = host;
    record.target = target;
    record.client_secure = random_() % 2 == 0;
    record.listener = listener;
    record.rule = rule;
    record.action = static_cast<LogAction>(random_() % 4);
    record.site = "pool.local";
    record.status = static_cast<std::uint16_t>(random_() % 600);
    return record;
  }

 private:
  std::mt19937 random_;
};

// What the line says is what was logged, up to where it was cut.
void expect_logged(std::string_view field, LogForm form, const std::string& logged,
                   std::size_t max) {
  std::string buffer(field.size(), '\0');
  std::string_view said = unescaped(field, form, buffer);
  if (field.size() > max - 8 && field.ends_with("...")) {
    said.remove_suffix(3);
    EXPECT_TRUE(logged.starts_with(said)) << field;
  } else {
    EXPECT_EQ(said, logged) << field;
  }
}

TEST(LogReading, ReadsBackWhatTheAccessLogWrote) {
  RandomRecords records(1);
  std::array<char, kAccessLineBytes> buffer;
  W3cColumns columns;
  std::string_view header = w3c_header({}, buffer);
  header.remove_prefix(header.find("#Fields:") + 8);
  columns.set(header.substr(0, header.find('\n')));
  EXPECT_EQ(columns.missing(), "");
  for (int round = 0; round < 20'000; ++round) {
    const AccessRecord record = records.next();
    for (const bool as_json : {false, true}) {
      std::string line(as_json ? format_json(record, buffer) : format_w3c(record, buffer));
      line.pop_back();
      LogEntry entry;
      ASSERT_TRUE(as_json ? read_json_line(line, entry) : columns.read(line, entry)) << line;
      expect_logged(entry[LogField::listener], entry.form, records.listener, kMaxLoggedName);
      expect_logged(entry[LogField::rule], entry.form, records.rule, kMaxLoggedName);
      const std::string url =
          records.host.empty()
              ? records.target
              : (record.client_secure ? "https://" : "http://") + records.host + records.target;
      expect_logged(entry[LogField::url], entry.form, url, kMaxLoggedUrl);
      EXPECT_EQ(entry[LogField::client], record.client.ip.to_string());
      std::array<char, kSpelledNameBytes> name;
      EXPECT_EQ(entry[LogField::rule], spelled(records.rule, entry.form, name));
      if (as_json) expect_as_nlohmann(line);
    }
    if (testing::Test::HasFailure()) return;
  }
}

// Whatever is read of a damaged line, a real JSON reader reads the same; most are not read at all.
TEST(LogReading, ADamagedLineOfJsonIsNeverReadOtherwiseThanItStands) {
  RandomRecords records(2);
  std::mt19937 random(3);
  std::array<char, kAccessLineBytes> buffer;
  constexpr std::string_view kBytes = "\"\\{}[]:,x0 \t\x01\x7f\xc3";
  for (int round = 0; round < 50'000; ++round) {
    std::string line(format_json(records.next(), buffer));
    line.pop_back();
    for (unsigned i = 0; i <= random() % 3; ++i) {
      const std::size_t at = random() % line.size();
      if (random() % 3 == 0)
        line.erase(at, 1 + random() % 4);
      else
        line[at] = kBytes[random() % kBytes.size()];
    }
    expect_as_nlohmann(line);
    if (testing::Test::HasFailure()) return;
  }
}

TEST(LogReading, OnlyAFlatObjectIsALine) {
  const std::string kRefused[] = {"",
                                  "{",
                                  "{}x",
                                  "[]",
                                  "{\"a\"}",
                                  "{\"a\":}",
                                  "{\"a\":1,}",
                                  "{\"a\":01}",
                                  "{\"a\":-1}",
                                  "{\"a\":1.5}",
                                  "{\"a\":null}",
                                  "{\"a\":{}}",
                                  "{\"a\":[1]}",
                                  "{\"a\":\"\\n\"}",
                                  "{\"a\":\"\t\"}",
                                  "{\"a\":\"\\\"}",
                                  "{\"a\":\"1}",
                                  "{a:1}",
                                  "{\"a\":1 \"b\":2}"};
  LogEntry entry;
  for (const std::string& line : kRefused) EXPECT_FALSE(read_json_line(line, entry)) << line;
  EXPECT_TRUE(read_json_line("{}", entry));
  EXPECT_TRUE(
      read_json_line(" { \"rule\" : \"a \\\" b\" , \"status\" : 0 , \"x\" : true } ", entry));
  EXPECT_EQ(entry[LogField::rule], "a \\\" b");
  EXPECT_EQ(entry[LogField::status], "0");
}

}  // namespace
}  // namespace ocsproxy
