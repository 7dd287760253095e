#include "net/resolver.h"

#include <optional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dns_server.h"

namespace ocsproxy {
namespace {

using namespace std::chrono_literals;
using test::DnsServer;
using testing::ElementsAre;
using testing::UnorderedElementsAre;

constexpr const char* kPool = "ocspool.contoso.test";

IpAddress ip(const char* text) { return *IpAddress::parse(text); }

class ResolverTest : public testing::Test {
 protected:
  Resolver::Options options() {
    return {.servers = server_.address(), .timeout = 50ms, .now = [this] { return now_; }};
  }
  // Asks and runs the loop until there is an answer.
  Resolver::Answer ask(Resolver& resolver, const std::string& name) {
    std::optional<Resolver::Answer> answer;
    const auto query = resolver.resolve(name, [&](const auto& given) { answer.emplace(given); });
    run_until([&] { return answer.has_value(); });
    return answer ? *answer : Resolver::Answer(Error{.detail = "the callback was never called"});
  }
  Resolver::Answer ask(const std::string& name) { return ask(resolver_, name); }
  void run_until(const std::function<bool()>& done) {
    const auto deadline = std::chrono::steady_clock::now() + 20s;
    while (!done() && std::chrono::steady_clock::now() < deadline) io_.run_one_for(100ms);
  }
  static std::string failure(const Resolver::Answer& answer) {
    return answer ? "" : answer.error().detail;
  }

  boost::asio::io_context io_{1};
  DnsServer server_{io_};
  Resolver::Clock::time_point now_ = Resolver::Clock::now();
  Resolver resolver_{io_, options()};
};

TEST_F(ResolverTest, an_address_needs_no_question_and_is_answered_at_once) {
  for (const char* const literal : {"192.0.2.7", "2001:db8::7"}) {
    std::vector<IpAddress> got;
    const auto query = resolver_.resolve(literal, [&](const auto& answer) { got = *answer; });
    EXPECT_THAT(got, ElementsAre(ip(literal)));
  }
}

TEST_F(ResolverTest, a_name_of_the_hosts_file_needs_no_dns) {
  server_.close();
  const auto answer = ask("localhost");
  ASSERT_TRUE(answer) << failure(answer);
  for (const IpAddress& address : *answer) EXPECT_TRUE(address.is_loopback());
}

TEST_F(ResolverTest, families_are_interleaved) {
  server_.set(kPool, {.addresses = {ip("127.0.0.1"), ip("127.0.0.2"), ip("127.0.0.3"), ip("::1"),
                                    ip("2001:db8::2")}});
  const auto answer = ask(kPool);
  ASSERT_TRUE(answer) << failure(answer);
  ASSERT_EQ(answer->size(), 5u);
  EXPECT_THAT(*answer, UnorderedElementsAre(ip("127.0.0.1"), ip("127.0.0.2"), ip("127.0.0.3"),
                                            ip("::1"), ip("2001:db8::2")));
  for (std::size_t i = 0; i + 1 < 4; ++i) {
    EXPECT_NE((*answer)[i].is_v4(), (*answer)[i + 1].is_v4()) << "at " << i;
  }
}

TEST_F(ResolverTest, the_case_of_a_name_does_not_matter) {
  server_.set(kPool, {.addresses = {ip("192.0.2.1")}});
  EXPECT_TRUE(ask(kPool));
  const int asked = server_.questions(kPool);
  EXPECT_TRUE(ask("OCSpool.Contoso.Test"));
  EXPECT_EQ(server_.questions(kPool), asked);
}

TEST_F(ResolverTest, an_answer_is_kept_as_long_as_its_ttl_says_and_then_asked_for_again) {
  server_.set(kPool, {.addresses = {ip("192.0.2.1")}, .ttl = 30});
  EXPECT_THAT(*ask(kPool), ElementsAre(ip("192.0.2.1")));
  server_.set(kPool, {.addresses = {ip("192.0.2.2")}, .ttl = 30});
  now_ += 29s;
  EXPECT_THAT(*ask(kPool), ElementsAre(ip("192.0.2.1")));
  now_ += 1s;
  EXPECT_THAT(*ask(kPool), ElementsAre(ip("192.0.2.2")));
}

struct TtlCase {
  const char* situation;
  std::uint32_t ttl;
  std::uint32_t alias_ttl;
  std::chrono::seconds kept;
};
class ResolverTtl : public ResolverTest, public testing::WithParamInterface<TtlCase> {};

TEST_P(ResolverTtl, bounds_how_long_an_answer_is_kept) {
  server_.set(kPool, {.addresses = {ip("192.0.2.1")},
                      .ttl = GetParam().ttl,
                      .alias_of = "other.contoso.test",
                      .alias_ttl = GetParam().alias_ttl});
  EXPECT_TRUE(ask(kPool));
  const int asked = server_.questions(kPool);
  now_ += GetParam().kept - 1ms;
  EXPECT_TRUE(ask(kPool));
  EXPECT_EQ(server_.questions(kPool), asked);
  now_ += 1ms;
  EXPECT_TRUE(ask(kPool));
  EXPECT_GT(server_.questions(kPool), asked);
}

INSTANTIATE_TEST_SUITE_P(, ResolverTtl,
                         testing::Values(TtlCase{"zero_is_a_second", 0, 60, 1s},
                                         TtlCase{"the_address", 20, 60, 20s},
                                         TtlCase{"the_alias", 60, 20, 20s},
                                         TtlCase{"a_day_is_an_hour", 86'400, 86'400, 3600s}),
                         [](const auto& row) { return row.param.situation; });

struct FailureCase {
  const char* situation;
  DnsServer::Zone zone;
  const char* sentence;  // before the server's address
  bool believed;         // makes an earlier answer void
};
const FailureCase kFailures[] = {
    {"nxdomain", {.addresses = {}, .code = 3}, "has no address (NXDOMAIN from ", true},
    {"no_record", {.addresses = {}}, "has no address (neither A nor AAAA record at ", false},
    {"servfail",
     {.addresses = {}, .code = 2},
     "could not be resolved (unreachable, or answering SERVFAIL or REFUSED: ",
     false},
    {"refused",
     {.addresses = {}, .code = 5},
     "could not be resolved (unreachable, or answering SERVFAIL or REFUSED: ",
     false},
    {"silent", {.addresses = {}, .silent = true}, "could not be resolved (no answer from ", false},
    {"unspecified",
     {.addresses = {ip("0.0.0.0")}},
     "has no address (neither A nor AAAA record at ",
     true},
};
class ResolverFailure : public ResolverTest, public testing::WithParamInterface<FailureCase> {};

TEST_P(ResolverFailure, is_a_sentence_that_names_who_was_asked) {
  server_.set(kPool, GetParam().zone);
  const auto answer = ask(kPool);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().detail,
            std::string(kPool) + ' ' + GetParam().sentence + server_.address() + ')');
  EXPECT_EQ(answer.error().kind, ErrorKind::unresolved);
  EXPECT_EQ(answer.error().side, Side::upstream);
  EXPECT_EQ(answer.error().phase, Phase::resolve);
}

TEST_P(ResolverFailure, is_kept_for_two_seconds) {
  server_.set(kPool, GetParam().zone);
  EXPECT_FALSE(ask(kPool));
  const int asked = server_.questions(kPool);
  server_.set(kPool, {.addresses = {ip("192.0.2.1")}});
  now_ += Resolver::kNegative - 1ms;
  EXPECT_FALSE(ask(kPool));
  EXPECT_EQ(server_.questions(kPool), asked);
  now_ += 1ms;
  EXPECT_TRUE(ask(kPool));
}

TEST_P(ResolverFailure, voids_an_earlier_answer_only_when_the_name_is_gone) {
  server_.set(kPool, {.addresses = {ip("192.0.2.1")}, .ttl = 10});
  EXPECT_TRUE(ask(kPool));
  server_.set(kPool, GetParam().zone);
  now_ += 10s;
  const auto answer = ask(kPool);
  EXPECT_EQ(static_cast<bool>(answer), !GetParam().believed);
}

INSTANTIATE_TEST_SUITE_P(, ResolverFailure, testing::ValuesIn(kFailures),
                         [](const auto& row) { return row.param.situation; });

TEST_F(ResolverTest, nobody_waits_for_a_dns_that_is_known_not_to_answer) {
  server_.set(kPool, {.addresses = {ip("192.0.2.1")}, .ttl = 10});
  EXPECT_TRUE(ask(kPool));
  server_.set(kPool, {.addresses = {}, .silent = true});
  now_ += 10s;
  EXPECT_TRUE(ask(kPool));  // waited, and got the stale answer
  now_ += Resolver::kNegative;
  bool at_once = false;
  const auto query = resolver_.resolve(kPool, [&](const auto& answer) { at_once = !!answer; });
  EXPECT_TRUE(at_once);
}

TEST_F(ResolverTest, the_dns_is_asked_again_behind_a_stale_answer) {
  server_.set(kPool, {.addresses = {ip("192.0.2.1")}, .ttl = 10});
  EXPECT_TRUE(ask(kPool));
  server_.set(kPool, {.addresses = {}, .code = 2});
  now_ += 10s;
  EXPECT_THAT(*ask(kPool), ElementsAre(ip("192.0.2.1")));
  server_.set(kPool, {.addresses = {ip("192.0.2.2")}});
  now_ += Resolver::kNegative;
  const int asked = server_.questions(kPool);
  EXPECT_THAT(*ask(kPool), ElementsAre(ip("192.0.2.1")));
  run_until([&] { return server_.questions(kPool) >= asked + 2; });
  run_until([&] { return ask(kPool)->front() == ip("192.0.2.2"); });
  EXPECT_THAT(*ask(kPool), ElementsAre(ip("192.0.2.2")));
}

TEST_F(ResolverTest, a_stale_answer_is_not_given_for_ever) {
  server_.set(kPool, {.addresses = {ip("192.0.2.1")}, .ttl = 10});
  EXPECT_TRUE(ask(kPool));
  server_.set(kPool, {.addresses = {}, .code = 2});
  now_ += 10s + Resolver::kStale;
  EXPECT_FALSE(ask(kPool));
}

TEST_F(ResolverTest, a_server_that_is_down_is_an_error_soon) {
  const std::string address = server_.address();
  server_.close();
  const auto answer = ask(kPool);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().detail,
            std::string(kPool) +
                " could not be resolved (unreachable, or answering SERVFAIL or REFUSED: " +
                address + ')');
}

TEST_F(ResolverTest, concurrent_questions_share_one_query) {
  server_.set(kPool, {.addresses = {ip("192.0.2.1")}});
  int answers = 0;
  std::vector<Resolver::Query> queries;
  for (int i = 0; i < 10; ++i) {
    queries.push_back(resolver_.resolve(kPool, [&](const auto& answer) { answers += !!answer; }));
  }
  run_until([&] { return answers == 10; });
  EXPECT_EQ(answers, 10);
  EXPECT_EQ(server_.questions(kPool), 2);  // A and AAAA
}

TEST_F(ResolverTest, a_cancelled_question_is_not_answered_and_its_sibling_is) {
  server_.set(kPool, {.addresses = {ip("192.0.2.1")}});
  bool cancelled_was_called = false;
  bool called = false;
  auto cancelled = resolver_.resolve(kPool, [&](const auto&) { cancelled_was_called = true; });
  {
    const auto dropped =
        resolver_.resolve(kPool, [&](const auto&) { cancelled_was_called = true; });
  }
  const auto kept = resolver_.resolve(kPool, [&](const auto&) { called = true; });
  cancelled.cancel();
  run_until([&] { return called; });
  EXPECT_TRUE(called);
  EXPECT_FALSE(cancelled_was_called);
}

TEST_F(ResolverTest, a_callback_may_cancel_the_next_and_ask_for_more) {
  server_.set(kPool, {.addresses = {ip("192.0.2.1")}});
  server_.set("other.contoso.test", {.addresses = {ip("192.0.2.9")}});
  Resolver::Query second;
  Resolver::Query third;
  bool second_was_called = false;
  std::vector<IpAddress> more;
  const auto first = resolver_.resolve(kPool, [&](const auto&) {
    second.cancel();
    third = resolver_.resolve("other.contoso.test", [&](const auto& answer) { more = *answer; });
  });
  second = resolver_.resolve(kPool, [&](const auto&) { second_was_called = true; });
  run_until([&] { return !more.empty(); });
  EXPECT_THAT(more, ElementsAre(ip("192.0.2.9")));
  EXPECT_FALSE(second_was_called);
}

TEST_F(ResolverTest, an_answer_too_large_for_udp_is_fetched_over_tcp) {
  DnsServer::Zone zone{.addresses = {}, .truncated = true};
  for (std::uint32_t i = 1; i <= 60; ++i)
    zone.addresses.push_back(IpAddress::from_v4(0xc0000200 + i));
  server_.set(kPool, zone);
  const auto answer = ask(kPool);
  ASSERT_TRUE(answer) << failure(answer);
  EXPECT_EQ(answer->size(), 60u);
}

TEST_F(ResolverTest, a_name_that_is_none_is_an_error_and_no_question) {
  const std::string name(300, 'a');
  const auto answer = ask(name);
  ASSERT_FALSE(answer);
  EXPECT_THAT(failure(answer), testing::HasSubstr("it is no valid DNS name"));
}

TEST_F(ResolverTest, destroyed_with_questions_under_way_it_calls_nobody) {
  server_.set(kPool, {.addresses = {}, .silent = true});
  bool called = false;
  {
    Resolver short_lived(io_, options());
    const auto query = short_lived.resolve(kPool, [&](const auto&) { called = true; });
    run_until([&] { return server_.questions(kPool) > 0; });
  }
  io_.run_for(200ms);
  EXPECT_FALSE(called);
}

}  // namespace
}  // namespace ocsproxy
