// What is counted can be read, each counter under one name.
#include "proxy/counter_families.h"

#include <cstring>
#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ocsproxy {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string text_of(std::span<const Counters* const> workers) {
  PrometheusText text;
  write_counters(workers, text);
  return text.take();
}

std::string text_of(const Counters& counters) {
  const Counters* const one = &counters;
  return text_of(std::span(&one, 1));
}

// `text` without "metric value" lines whose value is 0.
std::set<std::string> counted(const std::string& text) {
  std::set<std::string> lines;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = text.find('\n', begin);
    const std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    if (!line.starts_with('#') && !line.ends_with(" 0")) lines.insert(line);
  }
  return lines;
}

TEST(CounterFamilies, tables_are_as_long_as_the_enumerations_they_go_by) {
  EXPECT_EQ(to_string(static_cast<ErrorKind>(kErrorKinds)), "unknown");
  EXPECT_NE(to_string(static_cast<ErrorKind>(kErrorKinds - 1)), "unknown");
  EXPECT_EQ(to_string(static_cast<Side>(kSides)), "unknown");
  EXPECT_NE(to_string(static_cast<Side>(kSides - 1)), "unknown");
  EXPECT_EQ(to_string(static_cast<Phase>(kPhases)), "unknown");
  EXPECT_NE(to_string(static_cast<Phase>(kPhases - 1)), "unknown");
  EXPECT_EQ(to_string(static_cast<Deadline>(kDeadlines)), "unknown");
  EXPECT_NE(to_string(static_cast<Deadline>(kDeadlines - 1)), "unknown");
  EXPECT_EQ(static_cast<std::size_t>(rules::Answer::not_served) + 1, kAnswers);
}

TEST(CounterFamilies, have_names_of_one_program_that_say_the_type_and_a_help_text_each) {
  std::set<std::string_view> names;
  for (const CounterFamily& family : counter_families()) {
    EXPECT_TRUE(family.name.starts_with("ocsproxy_")) << family.name;
    EXPECT_EQ(family.name.ends_with("_total"), family.type == MetricType::counter) << family.name;
    EXPECT_TRUE(family.help.ends_with('.')) << family.name;
    EXPECT_TRUE(names.insert(family.name).second) << family.name << " is there twice";
  }
}

// That no member is read twice and another never: the rows' sizes alone do not say so.
TEST(CounterFamilies, show_each_counter_that_moves_in_one_line) {
  Counters counters;
  const auto moves = [&](Counter& counter, const std::string& line) {
    counter.add(7);
    EXPECT_EQ(counted(text_of(counters)), std::set<std::string>{line});
    counter.subtract(7);
  };
  EXPECT_EQ(counted(text_of(counters)), std::set<std::string>{});
  moves(counters.connections, "ocsproxy_client_connections_total 7");
  moves(counters.open_connections, "ocsproxy_client_connections 7");
  moves(counters.refused_connections[RefusedConnection::listener_limit],
        "ocsproxy_refused_connections_total{reason=\"listener_limit\"} 7");
  moves(counters.refused_connections[RefusedConnection::network],
        "ocsproxy_refused_connections_total{reason=\"network\"} 7");
  moves(counters.handshakes[Handshake::resumed],
        "ocsproxy_client_handshakes_total{type=\"resumed\"} 7");
  moves(counters.idle_clients_closed, "ocsproxy_idle_client_connections_closed_total 7");
  moves(counters.requests, "ocsproxy_requests_total 7");
  moves(counters.judged_requests[rules::Answer::to_https],
        "ocsproxy_judged_requests_total{answer=\"redirect_to_https\"} 7");
  moves(counters.judged_requests[rules::Answer::not_served],
        "ocsproxy_judged_requests_total{answer=\"network_not_served\"} 7");
  moves(counters.default_denials, "ocsproxy_default_denials_total 7");
  moves(counters.replies[302], "ocsproxy_replies_total{status=\"302\"} 7");
  moves(counters.replies[599], "ocsproxy_replies_total{status=\"599\"} 7");
  moves(counters.responses[response_class(0)], "ocsproxy_responses_total{class=\"none\"} 7");
  moves(counters.responses[response_class(101)], "ocsproxy_responses_total{class=\"1xx\"} 7");
  moves(counters.responses[response_class(599)], "ocsproxy_responses_total{class=\"5xx\"} 7");
  moves(counters.responses[response_class(999)], "ocsproxy_responses_total{class=\"other\"} 7");
  moves(
      counters
          .errors[Error{.kind = ErrorKind::system, .side = Side::upstream, .phase = Phase::tunnel}],
      "ocsproxy_errors_total{side=\"upstream\",phase=\"tunnel\",kind=\"system\"} 7");
  moves(counters.errors[Error{.kind = ErrorKind::closed, .side = Side::us, .phase = Phase::none}],
        "ocsproxy_errors_total{side=\"us\",phase=\"none\",kind=\"closed\"} 7");
  moves(counters.deadlines[Deadline::linger], "ocsproxy_deadlines_total{deadline=\"linger\"} 7");
  moves(counters.upstream_connections, "ocsproxy_upstream_connections_opened_total 7");
  moves(counters.failed_upstream_connections[ErrorKind::refused],
        "ocsproxy_upstream_connection_failures_total{kind=\"refused\"} 7");
  moves(counters.open_upstream_connections[Holding::pinned],
        "ocsproxy_upstream_connections{state=\"pinned\"} 7");
  moves(counters.waits_for_upstream, "ocsproxy_upstream_waits_total 7");
  moves(counters.pinned, "ocsproxy_pinned_connections_total 7");
  moves(counters.retries, "ocsproxy_retries_total 7");
  moves(counters.evictions[Eviction::idle_upstream_connection],
        "ocsproxy_evictions_total{what=\"idle_upstream_connection\"} 7");
  moves(counters.identity_violations, "ocsproxy_identity_violations_total 7");
}

TEST(CounterFamilies, are_summed_over_workers_and_reasons_are_known_again_by_their_text) {
  Counters first;
  Counters second;
  const std::string elsewhere = "the method is no token";  // the same literal of another file
  first.refused_requests.add(400, "the method is no token");
  second.refused_requests.add(400, elsewhere);
  second.refused_requests.add(400, elsewhere);
  second.refused_requests.add(405, elsewhere);
  first.retries.add(3);
  second.retries.add(4);
  const std::array<const Counters*, 2> workers{&first, &second};
  EXPECT_EQ(
      counted(text_of(workers)),
      (std::set<std::string>{
          "ocsproxy_refused_requests_total{status=\"400\",reason=\"the method is no token\"} 3",
          "ocsproxy_refused_requests_total{status=\"405\",reason=\"the method is no token\"} 1",
          "ocsproxy_retries_total 7"}));
}

TEST(CounterFamilies, escape_what_stands_in_labels) {
  Counters counters;
  counters.refused_requests.add(400, "a \"quote\", a \\ and\na line");
  EXPECT_THAT(text_of(counters),
              HasSubstr(R"({status="400",reason="a \"quote\", a \\ and\na line"} 1)"
                        "\n"));
}

TEST(RefusalCounts, keep_their_size_and_count_reasons_beyond_it_together) {
  RefusalCounts counts;
  static constexpr std::array<char, RefusalCounts::kPlaces + 5> kText{};
  for (std::size_t i = 0; i < kText.size(); ++i) {
    counts.add(400, {&kText[i], 1});
    counts.add(400, {&kText[i], 1});
  }
  std::size_t places = 0;
  counts.for_each([&](std::uint64_t, std::string_view, std::uint64_t count) {
    EXPECT_EQ(count, 2U);
    ++places;
  });
  EXPECT_EQ(places, RefusalCounts::kPlaces);
  EXPECT_EQ(counts.others(), 10U);
}

}  // namespace
}  // namespace ocsproxy
