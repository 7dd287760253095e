// The whole text of what a server has counted.
#include "listeners/statistics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "listeners/process_usage.h"

namespace ocsproxy {
namespace {

using testing::HasSubstr;

class Statistics : public testing::Test {
 protected:
  Statistics() {
    auto snapshot = std::make_shared<Snapshot>();
    snapshot->generation = 3;
    for (const char* const name : {"One", "a \"quoted\" \\ name"}) {
      snapshot->loaded.settings.rules.emplace_back().name = {name, {}};
    }
    rules_ = std::make_shared<RuleCounts>(snapshot->settings(), 2, nullptr);
    load_ = std::make_shared<ListenerLoad>(2);
    served_.snapshot = std::move(snapshot);
    served_.since =
        std::chrono::system_clock::time_point(std::chrono::milliseconds(1'700'000'000'900));
    served_.workers = {&workers_[0], &workers_[1]};
    served_.listeners = {{"Edge", load_}};
    served_.rules = rules_;
  }

  std::array<Counters, 2> workers_;
  std::shared_ptr<RuleCounts> rules_;
  std::shared_ptr<ListenerLoad> load_;
  Served served_;
};

TEST_F(Statistics, say_what_is_served_since_when_and_by_whom) {
  const std::string text = statistics_text(served_);
  EXPECT_THAT(text, HasSubstr("ocsproxy_build_info{version=\"" OCSPROXY_VERSION "\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("\nocsproxy_configuration_generation 3\n"));
  EXPECT_THAT(text, HasSubstr("\nocsproxy_configuration_loaded_timestamp_seconds 1700000000\n"));
  EXPECT_THAT(text, HasSubstr("\nocsproxy_workers 2\n"));
}

TEST_F(Statistics, are_summed_over_workers_by_listener_and_by_rule) {
  workers_[0].requests.add(2);
  workers_[1].requests.add(3);
  load_->of(0).add(4);
  load_->of(1).add(5);
  rules_->of(0)[1].add(6);
  rules_->of(1)[1].add(7);
  const std::string text = statistics_text(served_);
  EXPECT_THAT(text, HasSubstr("\nocsproxy_requests_total 5\n"));
  EXPECT_THAT(text, HasSubstr("\nocsproxy_listener_connections{listener=\"Edge\"} 9\n"));
  EXPECT_THAT(text, HasSubstr("\nocsproxy_rule_requests_total{rule=\"One\"} 0\n"));
  EXPECT_THAT(
      text, HasSubstr("\nocsproxy_rule_requests_total{rule=\"a \\\"quoted\\\" \\\\ name\"} 13\n"));
}

TEST_F(Statistics, speak_of_the_access_log_where_there_is_one) {
  EXPECT_THAT(statistics_text(served_), testing::Not(HasSubstr("access_log")));
  AccessLogWriter log(
      Descriptor(), AccessLogWriter::Format::w3c, 1, [](LogLevel, std::string_view) {}, 1024);
  served_.access_log = &log;
  EXPECT_THAT(statistics_text(served_), HasSubstr("\nocsproxy_access_log_lost_lines_total 0\n"));
}

TEST(ProcessUsage, is_that_of_this_process) {
  const ProcessUsage before = process_usage();
  EXPECT_LE(before.started, std::chrono::system_clock::now());
  EXPECT_GE(before.started, std::chrono::system_clock::now() - std::chrono::hours(1));
  EXPECT_GT(before.resident_bytes, 1'000'000U);
  EXPECT_GE(before.most_descriptors, before.open_descriptors);
  std::vector<Descriptor> more;
  for (int i = 0; i < 10; ++i) more.emplace_back(::dup(STDOUT_FILENO));
  EXPECT_EQ(process_usage().open_descriptors, before.open_descriptors + 10);
}

}  // namespace
}  // namespace ocsproxy
