// What --replay says of the lines of a log, against a policy as lines of rules.
#include <algorithm>
#include <cstring>

#include "check/replay_report.h"
#include "policy_text.h"

namespace ocsproxy {
namespace {

using Lines = std::vector<std::string>;

constexpr const char* kFields =
    "#Fields: c-ip\ts-operation\tcs-uri\tcs-protocol\tx-listener\trule\taction\tsc-status\tr-host\t"
    "error-info\n";
constexpr const char* kIsaFields =
    "#Fields: "
    "c-ip\ts-svcname\tr-host\tcs-protocol\ts-operation\tcs-uri\tsc-status\trule\taction\r\n";

// The columns of kFields; blanks stand for tabs, and ~ for a blank.
std::string line(std::string text) {
  std::ranges::replace(text, ' ', '\t');
  std::ranges::replace(text, '~', ' ');
  return text + '\n';
}

LogLines::Source source_of(std::string_view text, std::size_t piece = 64 * 1024) {
  return [text, piece](std::span<char> into) mutable -> Result<std::size_t> {
    const std::size_t size = std::min({text.size(), into.size(), piece});
    std::memcpy(into.data(), text.data(), size);
    text.remove_prefix(size);
    return size;
  };
}

// Listeners web (https and http) and intranet (https alone).
std::unique_ptr<PolicyFile> make_policy(const Lines& rules) {
  auto policy = std::make_unique<PolicyFile>();
  settings::Settings& settings = policy->settings;
  settings = rules::make_settings(rules);
  const std::uint32_t file = policy->sources.add("new.yaml", "");
  for (std::uint32_t i = 0; i < settings.rules.size(); ++i) {
    settings::Rule& rule = settings.rules[i];
    rule.name = {"R" + std::to_string(i), {file, i + 1, 1}};
    if (*rule.action == settings::Action::allow) rule.to.emplace().site.value = "pool.local";
  }
  for (settings::Listener& listener : settings.listeners) listener.https.emplace();
  settings.listeners[0].http.emplace();
  policy->table = rules::RuleTable::compile(settings, {}, policy->findings);
  return policy;
}

ReplayResult replay(const PolicyFile& policy, std::string_view log,
                    std::optional<std::uint32_t> listener = {}) {
  Replay replay(policy.policy(), listener);
  LogLines lines(source_of(log));
  EXPECT_EQ(Replay::objection(lines.beginning()), "");
  EXPECT_TRUE(replay.add("access.log", lines, [] {}));
  return replay.take();
}

ReplayResult replay(const Lines& rules, std::string_view log,
                    std::optional<std::uint32_t> listener = {}) {
  return replay(*make_policy(rules), log, listener);
}

std::string last_line(const ReplayResult& result, const PolicyFile& policy) {
  std::string text = replay_as_text(result, policy);
  text.pop_back();
  return text.substr(text.rfind('\n') + 1);
}

const Lines kAllow = {"deny web paths /abs/int/*", "allow web names www.test",
                      "redirect web names old.test"};

// What is said of one line of our own log behind the columns of kFields.
std::string verdict(const std::string& columns) {
  const auto policy = make_policy(kAllow);
  return last_line(replay(*policy, kFields + line(columns)), *policy);
}

TEST(Replay, ComparesWhatBecameOfEachRequestWithWhatWould) {
  const struct {
    std::string columns, outcome;
  } kTable[] = {
      // Allowed then: by action, and the site.
      {"192.0.2.1 GET https://www.test/ https web R1 Allowed 200 pool.local -", "same"},
      {"192.0.2.1 GET https://www.test/ https web R1 Failed 502 pool.local up~reset~in~connect",
       "same"},
      {"192.0.2.1 GET https://www.test/ https web R1 Established 101 pool.local -", "same"},
      {"192.0.2.1 GET https://www.test/ https web Older Allowed 200 pool.local -", "same"},
      {"192.0.2.1 GET https://www.test/ https web R1 Allowed 200 other.local -", "target"},
      {"192.0.2.1 GET https://www.test/ABS/%69nt/x https web R1 Allowed 200 pool.local -",
       "closed"},
      {"192.0.2.1 GET https://none.test/ https web R1 Allowed 200 pool.local -", "closed"},
      {"192.0.2.1 GET https://old.test/ https web R1 Allowed 200 pool.local -", "closed"},
      {"10.0.0.9 GET https://www.test/ https web R1 Allowed 200 pool.local -", "closed"},
      {"10.0.0.9 GET http://www.test/ http intranet R1 Allowed 200 pool.local -", "closed"},
      {"192.0.2.1 GET https://www.test/a%2Fb https web R1 Allowed 200 pool.local -", "closed"},
      // Denied then.
      {"192.0.2.1 GET https://www.test/abs/int https web R0 Denied 403 - -", "same"},
      {"192.0.2.1 GET https://none.test/ https web - Denied 403 - -", "same"},
      {"192.0.2.1 GET https://www.test/ https web R0 Denied 403 - -", "opened"},
      {"192.0.2.1 GET https://WWW.test.:8443/ https web R0 Denied 403 - -", "opened"},
      {"192.0.2.1 GET https://old.test/ https web - Denied 403 - -", "answer"},
      // Redirected then, by a rule or by the listener.
      {"192.0.2.1 GET https://old.test/ https web R2 Denied 302 - -", "same"},
      {"192.0.2.1 GET https://none.test/ https web R2 Denied 302 - -", "answer"},
      {"192.0.2.1 GET http://none.test/ http web - Denied 302 - -", "answer"},
      {"192.0.2.1 GET http://www.test/ http web - Denied 302 - -", "opened"},
      // HTTP/1.0 without Host.
      {"192.0.2.1 GET /abs/int http web R0 Denied 403 - -", "same"},
  };
  for (const auto& row : kTable) {
    EXPECT_EQ(verdict(row.columns), row.outcome == "same" ? "1 request: 1 with the same outcome"
                                                          : "1 request: 1 " + row.outcome)
        << row.columns;
  }
}

TEST(Replay, SaysOfALineThatCannotBeJudgedWhy) {
  const std::string good = "192.0.2.1 GET https://www.test/ https web R1 Allowed 200 pool.local -";
  const struct {
    std::string log;
    Unjudged why;
  } kTable[] = {
      {kFields + line("192.0.2.1 GET https://www.test/ https web - Denied 400 - "
                      "client~malformed~in~request_head:~two~Hosts"),
       Unjudged::refused_then},
      {kFields + line("192.0.2.1 GET https://www.test/ https web - Denied 508 - "
                      "us~loop~in~request_head:~again"),
       Unjudged::refused_then},
      {kFields + line(good).substr(0, 50), Unjudged::cut_off},
      {kFields + line("192.0.2.1 GET https://www.test/" + std::string(70'000, 'a')),
       Unjudged::too_long},
      {line(good), Unjudged::no_columns},
      {"#Fields: c-ip\tcs-uri\n" + line("192.0.2.1 https://www.test/"), Unjudged::missing_columns},
      {kFields + line(good + " more"), Unjudged::other_columns},
      {kFields + line(good.substr(0, good.size() - 2)), Unjudged::other_columns},
      {"{\"client_ip\":\"192.0.2.1\",\"method\":\"GET\",\n", Unjudged::no_json},
      {kFields + line("somebody GET https://www.test/ https web R1 Allowed 200 pool.local -"),
       Unjudged::no_client},
      {kFields + line("192.0.2.1 - - https web R1 Allowed 200 pool.local -"), Unjudged::no_request},
      {kFields + line("192.0.2.1 GET ftp://www.test/ - web R1 Allowed 200 pool.local -"),
       Unjudged::no_request},
      {kFields + line("192.0.2.1 GET https://www.test/" + std::string(4074, 'a') +
                      "... https web R1 Allowed 200 pool.local -"),
       Unjudged::cut_url},
      {kFields + line("192.0.2.1 GET https://www.test/ https web R1 - 200 pool.local -"),
       Unjudged::no_outcome},
      {kFields + line("192.0.2.1 GET https://www.test/ https web - Failed 200 pool.local -"),
       Unjudged::no_outcome},
      {kFields + line("192.0.2.1 GET https://www.test/ https Gone R1 Allowed 200 pool.local -"),
       Unjudged::unknown_listener},
      {kIsaFields + line("192.0.2.1 w3proxy - http GET http://www.test/ 200 All~out Allowed"),
       Unjudged::not_publishing},
      {kIsaFields + line("192.0.2.1 - - https GET https://www.test:444/ 200 R1 Allowed"),
       Unjudged::no_listener},
  };
  for (const auto& row : kTable) {
    const ReplayResult result = replay(kAllow, row.log);
    EXPECT_EQ(result.lines, 1U) << row.log;
    EXPECT_EQ(result.unjudged[static_cast<std::size_t>(row.why)].lines, 1U)
        << static_cast<int>(row.why) << ": " << row.log.substr(0, 400);
    EXPECT_EQ(result.doubtful(), has_no_say(row.why) ? 0U : 1U);
  }
}

// A query is not judged, so it does not matter where it was cut.
TEST(Replay, JudgesAUrlThatWasCutInItsQuery) {
  EXPECT_EQ(verdict("192.0.2.1 GET https://www.test/?" + std::string(4073, 'a') +
                    "... https web R1 Allowed 200 pool.local -"),
            "1 request: 1 with the same outcome");
}

TEST(Replay, ShowsEachChangeWithItsRulesAndTheFirstLines) {
  const auto policy = make_policy(kAllow);
  std::string log = kFields;
  for (int i = 0; i < 5; ++i) {
    log += line("192.0.2." + std::to_string(i) +
                " POST https://www.test/abs/int/x\\x22?q https web R1 Allowed 200 pool.local -");
  }
  log += line("192.0.2.9 GET https://www.test/ https web Old~\\xc3\\xa9 Allowed 200 pool.local -");
  EXPECT_EQ(replay_as_text(replay(*policy, log), *policy),
            "closed: allowed before, denied now\n"
            "  lines     5\n"
            "  before    rule \"R1\" allowed, to \"pool.local\"\n"
            "  now       rule \"R0\" (new.yaml:1) denies\n"
            "  example   access.log:2: POST https://www.test/abs/int/x\\x22?q from 192.0.2.0 to "
            "web\n"
            "  example   access.log:3: POST https://www.test/abs/int/x\\x22?q from 192.0.2.1 to "
            "web\n"
            "  example   access.log:4: POST https://www.test/abs/int/x\\x22?q from 192.0.2.2 to "
            "web\n"
            "\n"
            "by another rule: with the same outcome\n"
            "  lines     1\n"
            "  before    rule \"Old \u00e9\" allowed, to \"pool.local\"\n"
            "  now       rule \"R1\" (new.yaml:2) allows, to https://pool.local:443\n"
            "  example   access.log:7: GET https://www.test/ from 192.0.2.9 to web\n"
            "\n"
            "6 requests: 5 closed, 1 with the same outcome\n");
}

TEST(Replay, ColumnsChangeInTheMiddleOfALog) {
  const std::string other =
      "#Fields: action\trule\tcs-uri\ts-operation\tc-ip\tcs-protocol\tx-listener\r\n"
      "Allowed\tR1\thttps://www.test/\tGET\t192.0.2.1\thttps\tweb\r\n";
  const std::string first =
      kFields + line("192.0.2.1 GET https://www.test/ https web R1 Allowed 200 pool.local -");
  const std::string json =
      R"({"client_ip":"192.0.2.1","method":"GET","url":"https://www.test/","protocol":"https",)"
      R"("listener":"web","rule":"R1","action":"Allowed","status":200})"
      "\n{\"remark\":\"7 lines lost\",\"lost\":7}\n";
  EXPECT_EQ(replay(kAllow, first + other + json + first).same, 4U);
}

TEST(Replay, AnEmptyLogHasNothingThatDiffers) {
  const auto policy = make_policy(kAllow);
  EXPECT_EQ(replay_as_text(replay(*policy, ""), *policy), "0 requests\n");
  EXPECT_EQ(replay_as_text(replay(*policy, kFields), *policy), "0 requests\n");
}

// ISA Server's log names no listener.
TEST(Replay, AnIsaLineIsJudgedWhereOnlyOneAnswerIsPossible) {
  const Lines rules = {"allow web names www.test,both.test", "allow intranet names both.test",
                       "allow intranet names inside.test"};
  const auto policy = make_policy(rules);
  const auto said = [&](const std::string& columns, std::optional<std::uint32_t> listener = {}) {
    return last_line(replay(*policy, kIsaFields + line(columns), listener), *policy);
  };
  constexpr const char* kSame = "1 request: 1 with the same outcome";
  // web is for External, intranet for Internal.
  EXPECT_EQ(said("192.0.2.1 w3reverseproxy x https GET http://www.test/ 200 R0 Allowed"), kSame);
  EXPECT_EQ(said("10.0.0.9 w3reverseproxy x https GET http://both.test/ 200 R1 Allowed"), kSame);
  EXPECT_EQ(said("192.0.2.1 - x https GET https://inside.test/ 12302 Default~rule Denied"), kSame);
  EXPECT_EQ(said("192.0.2.1 - x https GET https://inside.test/ 200 Owa Allowed"),
            "1 request: 1 closed");
  // What ISA Server decoded for its log is not what the client sent.
  EXPECT_EQ(said("192.0.2.1 - x https GET https://www.test/\xc3\xa9 200 R0 Allowed"),
            "1 request: 1 not judged");
  // Named, it is that one whatever the URL says.
  EXPECT_EQ(said("10.0.0.9 - x https GET https://www.test:4443/ 200 R0 Allowed"),
            "1 request: 1 not judged");
  EXPECT_EQ(said("10.0.0.9 - x https GET https://both.test:4443/ 200 R1 Allowed", 1U), kSame);
}

TEST(Replay, AnIsaLineIsNotJudgedWhereListenersWouldAnswerOtherwise) {
  auto policy = make_policy({"allow web names www.test", "deny intranet names www.test"});
  policy->settings.listeners[1].networks = {{"Anywhere", {}}};
  policy->table = rules::RuleTable::compile(policy->settings, {}, policy->findings);
  const std::string asked = kIsaFields +
                            line("192.0.2.1 - x https GET https://other.test/ 12302 - Denied") +
                            line("192.0.2.1 - x https GET https://www.test/ 200 R0 Allowed");
  EXPECT_EQ(last_line(replay(*policy, asked), *policy), "2 requests: 2 with the same outcome");
  // Both listeners publish the name now, by other rules.
  policy->settings.rules[1] = policy->settings.rules[0];
  policy->settings.rules[1].listener.value = "intranet";
  policy->table = rules::RuleTable::compile(policy->settings, {}, policy->findings);
  EXPECT_EQ(last_line(replay(*policy, asked), *policy),
            "2 requests: 1 not judged, 1 with the same outcome");
}

TEST(Replay, ALogThatIsNoneIsRefusedByWhatItBeginsWith) {
  EXPECT_NE(Replay::objection("\x1f\x8b\x08"), "");
  EXPECT_NE(Replay::objection(std::string_view("\xff\xfe#\0F\0", 6)), "");
  EXPECT_NE(Replay::objection(std::string_view("\x7f"
                                               "ELF\0\0",
                                               6)),
            "");
  EXPECT_EQ(Replay::objection(""), "");
  EXPECT_EQ(Replay::objection(kIsaFields), "");
}

// What is kept is bounded: a log is not trusted to be one.
TEST(Replay, ChangesOfMoreKindsThanAreKeptApartAreCounted) {
  std::string log = kFields;
  constexpr std::uint64_t kMore = 25;
  for (std::uint64_t i = 0; i < Replay::kMostGroups + kMore; ++i) {
    log += line("192.0.2.1 GET https://none.test/ https web Rule" + std::to_string(i) +
                " Allowed 200 pool.local -");
  }
  const ReplayResult result = replay(kAllow, log);
  EXPECT_EQ(result.groups.size(), Replay::kMostGroups);
  EXPECT_EQ(result.further, kMore);
  EXPECT_EQ(result.changed(), Replay::kMostGroups + kMore);
}

// --- HTTP filters: the log has the URL and the method of all that they look at ---

std::string filtered_verdict(const std::string& columns, const char* fields = kFields) {
  const auto policy = make_policy(kAllow);
  settings::HttpFilter& filter = policy->settings.http_filters.emplace_back();
  filter.max_query_length = {4, {}};
  filter.verify_normalization = {false, {}};
  policy->settings.rules[1].filter = 0;
  policy->table = rules::RuleTable::compile(policy->settings, {}, policy->findings);
  return last_line(replay(*policy, fields + line(columns)), *policy);
}

TEST(Replay, AsksTheFilterOfTheRuleThatAllowsARequest) {
  const struct {
    std::string columns, outcome;
  } kTable[] = {
      {"192.0.2.1 GET https://www.test/?1234 https web R1 Allowed 200 pool.local -",
       "with the same outcome"},
      {"192.0.2.1 GET https://www.test/?12345 https web R1 Allowed 200 pool.local -", "closed"},
      {"192.0.2.1 GET https://www.test/%2541 https web R1 Allowed 200 pool.local -",
       "with the same outcome"},
      {"192.0.2.1 GET https://www.test/%c3%a4 https web R1 Allowed 200 pool.local -", "closed"},
      // Refused by a filter then.
      {"192.0.2.1 GET https://www.test/?12345 https web R1 Denied 414 - "
       "client~filtered~in~request_head:~query~5~>~4",
       "with the same outcome"},
      {"192.0.2.1 GET https://www.test/abs/int https web R1 Denied 414 - "
       "client~filtered~in~request_head:~query~5~>~4",
       "with the same outcome"},
      {"192.0.2.1 GET https://www.test/ https web R1 Denied 403 - "
       "upstream~filtered~in~response_body:~a~Windows~executable",
       "not judged"},
      {"192.0.2.1 GET https://www.test/ https web R0 Denied 403 - -", "opened"},
      {"192.0.2.1 GET https://www.test/?" + std::string(4073, 'a') +
           "... https web R1 Allowed 200 pool.local -",
       "closed"},
  };
  for (const auto& row : kTable) {
    EXPECT_EQ(filtered_verdict(row.columns), "1 request: 1 " + row.outcome) << row.columns;
  }
  // Of ISA Server the status says it.
  EXPECT_EQ(
      filtered_verdict("192.0.2.1 - - https GET https://www.test/ 12217 R1 Denied", kIsaFields),
      "1 request: 1 not judged");
}

TEST(Replay, SaysWhatTheFilterObjectsTo) {
  const auto policy = make_policy({"allow web names www.test"});
  policy->settings.http_filters.emplace_back().max_query_length = {4, {}};
  policy->settings.rules[0].filter = 0;
  policy->table = rules::RuleTable::compile(policy->settings, {}, policy->findings);
  const std::string log =
      kFields + line("192.0.2.1 GET https://www.test/?12345 https web R0 Allowed 200 pool.local -");
  EXPECT_THAT(
      replay_as_text(replay(*policy, log), *policy),
      testing::HasSubstr("  now       rule \"R0\" (new.yaml:1) allows, and is not to forward "
                         "it: the query is longer than the HTTP filter allows\n"));
}

}  // namespace
}  // namespace ocsproxy
