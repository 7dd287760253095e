#include <chrono>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/lab/pool_fixture.h"

namespace ocsproxy::lab {
namespace {

using testing::HasSubstr;
using testing::Not;

class MisbehaviourTest : public PoolTest {};

TEST_F(MisbehaviourTest, HowAConnectionIsBrokenOnRequest) {
  struct Row {
    const char* words;
    const char* begins;  // what comes first
    std::string ends;    // what comes last
    const char* never;   // what does not come
    bool reset;
  };
  const std::vector<Row> rows = {
      {"how=truncate&bytes=16", "HTTP/1.1 200", "\r\n\r\n" + content(0, 16), "close", false},
      {"how=truncate-chunked&bytes=16", "HTTP/1.1 200", "\r\n10\r\n" + content(0, 16) + "\r\n",
       "\r\n0\r\n", false},
      {"how=truncate-chunk&bytes=16", "HTTP/1.1 200", "400\r\nshort", "\r\n0\r\n", false},
      {"how=reset", "", "", "HTTP", true},
      {"how=reset&bytes=16", "HTTP/1.1 200", content(0, 16), "\r\n0\r\n", true},
      {"how=close", "", "", "HTTP", false},
      {"how=no-close-notify&bytes=16", "HTTP/1.1 200", "\r\n\r\n" + content(0, 16),
       "Content-Length", false},
      {"how=bogus-head", "This is not HTTP.", "\r\n\r\n", "HTTP/", false},
      {"how=raw&answer=HTTP/1.1%20999%20%0d%0A%0d%0a", "HTTP/1.1 999 \r\n\r\n", "", "Server",
       false},
  };
  for (const Row& row : rows) {
    for (const bool in_field : {false, true}) {
      PlainClient client(port());
      const std::string words = row.words;
      client.send(in_field ? "GET / HTTP/1.1\r\nHost: x\r\nX-Lab-Misbehave: " + words + "\r\n\r\n"
                           : "GET /lab/misbehave?" + words + " HTTP/1.1\r\nHost: x\r\n\r\n");
      bool reset = false;
      const std::string seen = client.read_to_end(&reset);
      EXPECT_TRUE(seen.starts_with(row.begins)) << words << ": " << seen;
      EXPECT_TRUE(seen.ends_with(row.ends)) << words << ": " << seen;
      EXPECT_THAT(seen, Not(HasSubstr(row.never))) << words;
      EXPECT_EQ(reset, row.reset) << words;
    }
  }
}

TEST_F(MisbehaviourTest, SlowAnswersAreWhole) {
  PlainClient client(port());
  EXPECT_EQ(client.ask("GET", "/lab/misbehave?how=slow-head&seconds=0").body, "done");
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_EQ(client.ask("GET", "/lab/misbehave?how=slow-body&bytes=10&seconds=0.2").body,
            content(0, 10));
  EXPECT_GE(std::chrono::steady_clock::now() - begun, std::chrono::milliseconds(190));
}

TEST_F(MisbehaviourTest, InterimAnswersComeBeforeTheLast) {
  PlainClient client(port());
  EXPECT_EQ(client.ask("GET", "/lab/misbehave?how=interim").status, 100);
  EXPECT_EQ(client.read_answer().status, 103);
  EXPECT_EQ(client.read_answer().status, 200);
}

TEST_F(MisbehaviourTest, AnEarlyAnswerLeavesTheRestOfTheUploadToBeRead) {
  PlainClient client(port());
  client.send(
      "POST /lab/misbehave?how=early-answer&status=413&bytes=3 HTTP/1.1\r\nHost: x\r\n"
      "Content-Length: 6\r\n\r\nabc");
  EXPECT_EQ(client.read_answer().status, 413);
  client.send("def");
  EXPECT_EQ(client.ask("GET", "/lab/page").status, 200);
}

TEST_F(MisbehaviourTest, ABigHeadIsAsBigAsAskedFor) {
  PlainClient client(port());
  const Answer answer = client.ask("GET", "/lab/misbehave?how=big-head&bytes=100k");
  EXPECT_EQ(answer.value("X-Lab-Big").size(), 100u * 1024u);
}

TEST_F(MisbehaviourTest, TheLoginIsBrokenBetweenItsLegs) {
  PlainClient client(port());
  const Answer first = client.ask("GET", "/lab/misbehave?how=close-between-legs",
                                  "Authorization: " + ntlm_negotiate() + "\r\n");
  EXPECT_EQ(first.status, 401);
  EXPECT_EQ(challenge_in(first.value("WWW-Authenticate")).size(), 8u);
  EXPECT_EQ(first.value("Connection"), "") << "it does not say so before";
  EXPECT_EQ(client.read_to_end(), "");
}

TEST_F(MisbehaviourTest, TheLoginIsBrokenByClosingAfterThe401) {
  PlainClient client(port());
  const Answer first =
      client.ask("GET", "/ABS/Ext/Handler", "X-Lab-Misbehave: how=close-after-401\r\n");
  EXPECT_EQ(first.status, 401);
  EXPECT_EQ(first.value("Connection"), "close");
  EXPECT_EQ(client.read_to_end(), "");
}

TEST_F(MisbehaviourTest, UnknownWordsAreExplained) {
  PlainClient client(port());
  for (const char* words : {"", "how=nonsense", "how=truncate&bytes=x", "how=slow-head&seconds=-1",
                            "how=early-answer&status=100"}) {
    const Answer answer = client.ask("GET", "/lab/misbehave?" + std::string(words));
    EXPECT_EQ(answer.status, 400) << words;
    EXPECT_THAT(answer.body, HasSubstr("close-between-legs"));
  }
}

TEST(Misbehaviour, IsOfEveryRequestWhenThePoolIsStartedSo) {
  PoolOptions options = plain_options();
  options.misbehaviour = Misbehaviour::parse("how=close");
  const Pool pool = started(std::move(options));
  PlainClient client(pool.ports().front());
  client.send("GET /Conf/Ext/Tshoot.html HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(client.read_to_end(), "");
}

}  // namespace
}  // namespace ocsproxy::lab
