#include "lab/pool.h"

#include <memory>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/lab/pool_fixture.h"

namespace ocsproxy::lab {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST_F(PoolTest, WhatAnAdministratorSeesWithoutCredentials) {
  struct Row {
    const char* method;
    const char* target;
    int status;
  };
  const std::vector<Row> rows = {
      {"GET", "/ABS/Ext/Handler", 401},
      {"GET", "/abs/ext/handler/F-0901.lsabs", 401},
      {"GET", "/ABS/Int/Handler", 401},
      {"GET", "/GroupExpansion/Ext/service.asmx", 401},
      {"POST", "/GroupExpansion/Ext/service.asmx", 401},
      {"GET", "/PhoneConferencing/Ext/", 401},
      {"GET", "/Conf/Ext/Tshoot.html", 200},
      {"GET", "/CONF/EXT/TSHOOT.HTML?x=1", 200},
      {"GET", "/Conf/Int/Tshoot.html", 200},
      {"GET", "/Conf/Ext/", 403},
      {"GET", "/etc/place/null", 200},
      {"GET", "/AutoUpdate/Ext/", 403},
      {"GET", "/AutoUpdate/Ext/update.msp", 200},
      {"GET", "/DeviceUpdateFiles_Ext/", 403},
      {"HEAD", "/DeviceUpdateFiles_Ext/UCPhone/firmware.nbt", 200},
      {"GET", "/RequestHandlerExt/ucdevice.upx", 405},
      {"POST", "/RequestHandlerExt/ucdevice.upx", 200},
      {"POST", "/RequestHandler/ucdevice.upx", 200},
      {"DELETE", "/etc/place/null", 405},
      {"GET", "/", 404},
      {"GET", "/ABS/Extra", 404},
      {"GET", "/lab/page", 200},
  };
  for (const Row& row : rows) {
    PlainClient client(port());
    const Answer answer = client.ask(row.method, row.target);
    EXPECT_EQ(answer.status, row.status) << row.method << ' ' << row.target;
    EXPECT_EQ(answer.value("Server"), "Microsoft-IIS/7.0");
    EXPECT_EQ(answer.value("X-Lab-User"), "");
    if (row.status == 401) {
      EXPECT_THAT(answer.values("WWW-Authenticate"), ElementsAre("Negotiate", "NTLM"));
    }
  }
}

TEST_F(PoolTest, AConnectionIsLoggedInOnceAndThenAnswersItsUser) {
  PlainClient client(port());
  const Answer first = log_in(client, "alice", "password", "/ABS/Ext/Handler");
  EXPECT_EQ(first.status, 200);
  EXPECT_EQ(first.value("X-Lab-User"), "CONTOSO\\alice");
  EXPECT_EQ(first.value("Persistent-Auth"), "true");
  EXPECT_THAT(first.body, HasSubstr("CONTOSO\\alice"));

  const Answer second = client.ask("GET", "/GroupExpansion/Ext/service.asmx");
  EXPECT_EQ(second.status, 200) << "no credentials are needed any more";
  EXPECT_EQ(second.value("X-Lab-Connection"), first.value("X-Lab-Connection"));
  EXPECT_EQ(client.ask("GET", "/lab/echo").value("X-Lab-User"), "CONTOSO\\alice")
      << "an anonymous page tells whose connection it is";

  PlainClient another(port());
  const Answer theirs = another.ask("GET", "/ABS/Ext/Handler");
  EXPECT_EQ(theirs.status, 401) << "it was the connection that logged in, not the client";
  EXPECT_NE(theirs.value("X-Lab-Connection"), first.value("X-Lab-Connection"));
}

TEST_F(PoolTest, AWrongPasswordIsRefusedAndTheConnectionMayTryAgain) {
  PlainClient client(port());
  const Answer refused = log_in(client, "alice", "wrong");
  EXPECT_EQ(refused.status, 401);
  EXPECT_THAT(refused.values("WWW-Authenticate"), ElementsAre("Negotiate", "NTLM"));
  EXPECT_EQ(counters().logins_refused, 1u);
  EXPECT_EQ(log_in(client, "alice").status, 200);
  EXPECT_EQ(counters().logins, 1u);
}

TEST_F(PoolTest, AnAnswerReplayedOnAnotherConnectionIsRefused) {
  PlainClient client(port());
  const std::string negotiate = "Authorization: " + ntlm_negotiate() + "\r\n";
  const Answer first = client.ask("GET", "/lab/whoami", negotiate);
  const std::string answer =
      "Authorization: " +
      ntlm_answer(library_, first.value("WWW-Authenticate"), "CONTOSO", "alice", "password") +
      "\r\n";
  PlainClient thief(port());
  thief.ask("GET", "/lab/whoami", negotiate);
  EXPECT_EQ(thief.ask("GET", "/lab/whoami", answer).status, 401);
  PlainClient bold_thief(port());
  EXPECT_EQ(bold_thief.ask("GET", "/lab/whoami", answer).status, 401);
  EXPECT_EQ(client.ask("GET", "/lab/whoami", answer).status, 200);
}

TEST_F(PoolTest, CountsConnectionsThatServedTwoUsers) {
  PlainClient alice(port());
  log_in(alice, "alice");
  PlainClient bob(port());
  log_in(bob, "bob");
  log_in(bob, "bob");
  EXPECT_EQ(counters().connections_authenticated, 2u);
  EXPECT_EQ(counters().connections_with_two_users, 0u);
  EXPECT_THAT(log_in(bob, "alice").body, HasSubstr("alice"));
  log_in(bob, "bob");
  EXPECT_EQ(counters().connections_with_two_users, 1u);
  EXPECT_EQ(counters().connections_authenticated, 2u);
  EXPECT_THAT(alice.ask("GET", "/lab/counters").body,
              HasSubstr("\"connections_with_two_users\": 1"));
}

TEST_F(PoolTest, CountsOpenConnections) {
  {
    PlainClient client(port());
    client.ask("GET", "/lab/page");
    EXPECT_EQ(counters().connections_open, 1u);
  }
  EXPECT_TRUE(becomes_true([&] { return counters().connections_open == 0; }));
  EXPECT_EQ(counters().connections_accepted, 1u);
}

TEST_F(PoolTest, EchoTellsWhatArrived) {
  PlainClient client(port());
  const Answer answer =
      client.ask("PUT", "/lab/echo/x?y=%20", "X-One: a\"b\r\nX-Two: \xe9\r\nX-One: c\r\n", "abc");
  EXPECT_THAT(answer.body, HasSubstr("\"method\": \"PUT\""));
  EXPECT_THAT(answer.body, HasSubstr("\"target\": \"/lab/echo/x?y=%20\""));
  EXPECT_THAT(answer.body, HasSubstr("[\"X-One\", \"a\\\"b\"], [\"X-Two\", \"\\u00e9\"], "
                                     "[\"X-One\", \"c\"]"))
      << "in the order of their coming";
  EXPECT_THAT(answer.body, HasSubstr("\"body_length\": 3"));
  EXPECT_THAT(answer.body,
              HasSubstr("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
  EXPECT_THAT(answer.body, HasSubstr("\"user\": null"));
}

TEST_F(PoolTest, EchoTellsTrailersOfAChunkedBodyApartFromTheHead) {
  PlainClient client(port());
  client.send(
      "POST /lab/echo HTTP/1.1\r\nHost: x\r\nX-T: head\r\nTransfer-Encoding: chunked\r\n\r\n"
      "2\r\nab\r\n1;x=y\r\nc\r\n0\r\nX-T: tail\r\n\r\n");
  const Answer answer = client.read_answer();
  EXPECT_THAT(answer.body, HasSubstr("\"body_length\": 3"));
  EXPECT_THAT(answer.body, HasSubstr("\"trailers\": [[\"X-T\", \"tail\"]]"));
  EXPECT_EQ(client.ask("GET", "/lab/page").status, 200) << "the connection goes on";
}

TEST_F(PoolTest, RequestsMayComeAllAtOnce) {
  PlainClient client(port());
  client.send(
      "POST /lab/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
      "GET /lab/status?code=204 HTTP/1.1\r\nHost: x\r\n\r\n"
      "GET /lab/status?code=503 HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(client.read_answer().body, HasSubstr("\"body_length\": 3"));
  EXPECT_EQ(client.read_answer().status, 204);
  EXPECT_EQ(client.read_answer().status, 503);
}

TEST_F(PoolTest, AClientThatAsksIsToldToContinue) {
  PlainClient client(port());
  client.send(
      "POST /lab/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
      "Expect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.read_answer().status, 100);
  client.send("abc");
  EXPECT_THAT(client.read_answer().body, HasSubstr("\"body_length\": 3"));
}

TEST_F(PoolTest, AnAnswerToAnUnauthenticatedUploadComesBeforeItsEnd) {
  PlainClient client(port());
  client.send("POST /ABS/Ext/Handler HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
  EXPECT_EQ(client.read_answer().status, 401);
  client.send("defghij");
  EXPECT_EQ(client.ask("GET", "/lab/page").status, 200) << "the rest was read";
}

TEST_F(PoolTest, AnUploadIsReadAsItComesAndNotKept) {
  constexpr std::size_t kSize = 64 * 1024 * 1024;
  PlainClient client(port());
  client.send("POST /RequestHandlerExt/ucdevice.upx HTTP/1.1\r\nHost: x\r\nContent-Length: " +
              std::to_string(kSize) + "\r\n\r\n");
  const std::string block(1024 * 1024, 'x');
  for (std::size_t sent = 0; sent < kSize; sent += block.size()) client.send(block);
  EXPECT_THAT(client.read_answer().body, HasSubstr(std::to_string(kSize)));
}

TEST_F(PoolTest, ContentIsDeterministicAndServedInRanges) {
  struct Row {
    const char* range;
    int status;
    const char* content_range;
    std::string body;
  };
  const std::vector<Row> rows = {
      {"bytes=0-15", 206, "bytes 0-15/40", "000000000000000\n"},
      {"bytes=10-20", 206, "bytes 10-20/40", content(10, 11)},
      {"bytes=30-", 206, "bytes 30-39/40", content(30, 10)},
      {"bytes=-5", 206, "bytes 35-39/40", content(35, 5)},
      {"bytes=-500", 206, "bytes 0-39/40", content(0, 40)},
      {"bytes=39-500", 206, "bytes 39-39/40", content(39, 1)},
      {"bytes=40-", 416, "bytes */40", ""},
      {"bytes=-0", 416, "bytes */40", ""},
      {"bytes=5-4", 200, "", content(0, 40)},
      {"bytes=0-1,4-5", 200, "", content(0, 40)},
      {"lines=1-2", 200, "", content(0, 40)},
      {"bytes=x-", 200, "", content(0, 40)},
      {"bytes=-", 200, "", content(0, 40)},
  };
  PlainClient client(port());
  for (const Row& row : rows) {
    const Answer answer =
        client.ask("GET", "/lab/content?size=40", "Range: " + std::string(row.range) + "\r\n");
    EXPECT_EQ(answer.status, row.status) << row.range;
    EXPECT_EQ(answer.value("Content-Range"), row.content_range) << row.range;
    EXPECT_EQ(answer.body, row.body) << row.range;
  }
  EXPECT_EQ(content(15, 18), "\n000000000000001\n0");
}

TEST_F(PoolTest, TheAddressBookNamesItsReader) {
  PlainClient client(port());
  log_in(client, "bob");
  const Answer answer = client.ask("GET", "/ABS/Ext/Handler/F-0901.lsabs");
  const std::string heading = "Address Book for CONTOSO\\bob\n";
  ASSERT_EQ(answer.body.size(), 1024u * 1024u);
  EXPECT_EQ(answer.body.substr(0, heading.size()), heading);
  EXPECT_EQ(answer.body.substr(heading.size(), 100), content(heading.size(), 100));
  EXPECT_EQ(answer.body.substr(answer.body.size() - 16), content(1024 * 1024 - 16, 16));
}

TEST_F(PoolTest, ChunksCarryTrailersAndHttp10GetsAClosedBody) {
  PlainClient client(port());
  client.send("GET /lab/chunks?count=2&bytes=16&trailers=1 HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::string head_end = "\r\n\r\n10\r\n";
  std::string all;
  while (all.find("X-Lab-Chunks: 2\r\n\r\n") == std::string::npos) all += client.read_exactly(1);
  EXPECT_THAT(all, HasSubstr(head_end + content(0, 16) + "\r\n10\r\n" + content(16, 16) +
                             "\r\n0\r\nX-Lab-Chunks: 2\r\n\r\n"));
  client.send("GET /lab/chunks?count=2&bytes=16 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  const Answer old = client.read_answer();
  EXPECT_EQ(old.body, content(0, 32));
  EXPECT_EQ(old.value("Transfer-Encoding"), "");
  EXPECT_EQ(old.value("Connection"), "close");
}

TEST_F(PoolTest, TheMirrorAnswersWhileTheBodyComes) {
  PlainClient client(port());
  client.send("POST /lab/mirror HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  client.send("3\r\nabc\r\n");
  std::string seen;
  while (seen.find("3\r\nabc\r\n") == std::string::npos) seen += client.read_exactly(1);
  client.send("2\r\nde\r\n0\r\n\r\n");
  seen.clear();
  while (seen.find("2\r\nde\r\n0\r\n\r\n") == std::string::npos) seen += client.read_exactly(1);
}

TEST_F(PoolTest, ALongPollEndsWhenItsClientLeaves) {
  PlainClient client(port());
  client.send("GET /lab/poll?seconds=600 HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(becomes_true([&] { return counters().requests == 1; }));
  client.close();
  EXPECT_TRUE(becomes_true([&] { return counters().connections_open == 0; }));
}

TEST_F(PoolTest, AnswersNameTheInternalSite) {
  PlainClient client(port());
  EXPECT_EQ(client.ask("GET", "/lab/redirect?to=/x").value("Location"),
            "https://ocspool.contoso.local/x");
  EXPECT_EQ(client.ask("GET", "/lab/redirect?to=/x&form=relative").value("Location"), "/x");
  EXPECT_EQ(client.ask("GET", "/lab/redirect?form=http&status=301").status, 301);
  EXPECT_THAT(client.ask("GET", "/lab/cookie").values("Set-Cookie"),
              ElementsAre("lab-site=1; Domain=ocspool.contoso.local; Path=/lab; Secure; HttpOnly",
                          "lab-parent=2; domain=.contoso.local; path=/; SameSite=Lax",
                          "lab-host=3; Path=/ABS/Ext"));
}

TEST_F(PoolTest, AWebSocketSendsMessagesBack) {
  PlainClient client(port());
  client.send(
      "GET /lab/ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
  const Answer answer = client.read_answer();
  ASSERT_EQ(answer.status, 101);
  EXPECT_EQ(answer.value("Sec-WebSocket-Accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  client.send(std::string("\x81\x82\0\0\0\0hi", 8));
  EXPECT_EQ(client.read_exactly(4), "\x81\x02hi");
  client.send(std::string("\x88\x80\0\0\0\0", 6));
  EXPECT_EQ(client.read_exactly(2), std::string("\x88\0", 2));
  EXPECT_EQ(client.read_to_end(), "");
  PlainClient plain(port());
  EXPECT_EQ(plain.ask("GET", "/lab/ws").status, 400);
}

TEST_F(PoolTest, WhatIsNotHttpIsAnsweredWith400) {
  PlainClient client(port());
  client.send("nonsense\r\n\r\n");
  EXPECT_EQ(client.read_answer().status, 400);
  EXPECT_EQ(client.read_to_end(), "");
}

TEST(Pool, ClosesAConnectionThatIsIdle) {
  PoolOptions options = plain_options();
  options.idle = std::chrono::seconds(1);
  const Pool pool = started(std::move(options));
  PlainClient client(pool.ports().front());
  EXPECT_EQ(client.ask("GET", "/lab/page").status, 200);
  EXPECT_EQ(client.read_to_end(), "");
}

TEST(Pool, ListensOnLoopbackOnly) {
  PoolOptions options;
  options.endpoints.push_back({*IpAddress::parse("192.0.2.1"), 0, std::nullopt});
  const auto pool = Pool::start(std::move(options));
  ASSERT_FALSE(pool);
  EXPECT_THAT(pool.error().detail, HasSubstr("192.0.2.1 is no loopback address"));
}

TEST(Pool, SaysWhichAddressIsTaken) {
  const Pool first = started();
  PoolOptions options = plain_options();
  options.endpoints.front().port = first.ports().front();
  const auto second = Pool::start(std::move(options));
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().detail,
              HasSubstr("127.0.0.1 port " + std::to_string(first.ports().front())));
}

TEST(Pool, EndsWithConnectionsOpen) {
  auto pool = std::make_unique<Pool>(started());
  PlainClient idle(pool->ports().front());
  PlainClient waiting(pool->ports().front());
  waiting.send("GET /lab/poll?seconds=600 HTTP/1.1\r\nHost: x\r\n\r\n");
  PlainClient sending(pool->ports().front());
  sending.send("POST /lab/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
  const Counters& counters = pool->counters();
  ASSERT_TRUE(
      becomes_true([&] { return counters.connections_open == 3 && counters.requests == 2; }));
  pool.reset();
  bool reset = false;
  EXPECT_EQ(waiting.read_to_end(&reset), "");
}

}  // namespace
}  // namespace ocsproxy::lab
