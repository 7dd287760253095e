#include "proxy/response_writer.h"

#include "head_writing.h"

namespace ocsproxy {
namespace {

using test::lines_of;
using test::ocs_rule;
using test::ResponseSituation;
using test::value_of;
using test::without_delegation;
using test::written_response;

constexpr Version kOld = Version::http1_0;
constexpr Version kNow = Version::http1_1;

std::string ok(std::string_view fields) {
  return std::string("HTTP/1.1 200 OK\r\n").append(fields).append("\r\n");
}

ResponseSituation from(Version version, bool keep_alive, Method method = Method::get) {
  ResponseSituation situation;
  situation.request_version = version;
  situation.keep_alive = keep_alive;
  situation.asked.method = method;
  return situation;
}

TEST(ResponseWriter, AWholeHeadReadsAsSpecified) {
  EXPECT_EQ(written_response("HTTP/1.1 200 Fine\r\n"
                             "Server: Microsoft-IIS/6.0\r\n"
                             "Content-Length: 5\r\n"
                             "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                             "Connection: keep-alive\r\n"
                             "Content-Type: text/html\r\n\r\n"),
            "HTTP/1.1 200 Fine\r\n"
            "Server: Microsoft-IIS/6.0\r\n"
            "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
            "Content-Type: text/html\r\n"
            "Content-Length: 5\r\n"
            "X-Request-Id: 00c0ffee00c0ffee\r\n"
            "Via: 1.1 ocsproxy-7f3a\r\n\r\n");
}

// ---- the end of the body and the life of the connection

struct Framed {
  std::string_view situation;
  std::string_view response;
  ResponseSituation to;
  std::string_view length;
  std::string_view coding;
  std::string_view connection;
};

TEST(ResponseWriter, TheEndOfTheBodyIsWhatTheClientCanUnderstand) {
  const std::string length = ok("Content-Length: 9\r\n");
  const std::string chunked = ok("Transfer-Encoding: chunked\r\n");
  const std::string closing = ok("");
  const Framed rows[] = {
      {"a length stays", length, from(kNow, true), "9", "(none)", "(none)"},
      {"a length, and then the end", length, from(kNow, false), "9", "(none)", "close"},
      {"a length for 1.0", length, from(kOld, false), "9", "(none)", "close"},
      {"a length for 1.0 that asked to stay", length, from(kOld, true), "9", "(none)",
       "keep-alive"},
      {"chunks stay", chunked, from(kNow, true), "(none)", "chunked", "(none)"},
      {"chunks, and then the end", chunked, from(kNow, false), "(none)", "chunked", "close"},
      {"chunks are not for 1.0", chunked, from(kOld, false), "(none)", "(none)", "close"},
      {"nor is it to wait for more", chunked, from(kOld, true), "(none)", "(none)", "close"},
      {"an end by closing becomes chunks", closing, from(kNow, true), "(none)", "chunked",
       "(none)"},
      {"an end by closing stays for 1.0", closing, from(kOld, true), "(none)", "(none)", "close"},
      {"HEAD tells the length of GET", length, from(kNow, true, Method::head), "9", "(none)",
       "(none)"},
      {"HEAD without a length", closing, from(kNow, true, Method::head), "(none)", "(none)",
       "(none)"},
      {"HEAD of chunks", chunked, from(kNow, true, Method::head), "(none)", "(none)", "(none)"},
      {"HEAD for 1.0 can stay", closing, from(kOld, true, Method::head), "(none)", "(none)",
       "keep-alive"},
      {"304 tells the length of 200", "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
       from(kNow, true), "9", "(none)", "(none)"},
      {"204 has none", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", from(kNow, true),
       "(none)", "(none)", "(none)"},
      {"an old site that closes", "HTTP/1.0 200 OK\r\n\r\n", from(kNow, true), "(none)", "chunked",
       "(none)"},
  };
  for (const Framed& row : rows) {
    const std::string head = written_response(row.response, row.to);
    EXPECT_TRUE(head.starts_with("HTTP/1.1 ")) << row.situation;
    EXPECT_EQ(value_of(head, "Content-Length"), row.length) << row.situation;
    EXPECT_EQ(value_of(head, "Transfer-Encoding"), row.coding) << row.situation;
    EXPECT_EQ(value_of(head, "Connection"), row.connection) << row.situation;
  }
}

TEST(ResponseWriter, InterimResponsesCarryNeitherFramingNorConnection) {
  const std::string head = written_response(
      "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nConnection: close\r\n\r\n",
      from(kNow, false));
  EXPECT_EQ(head,
            "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n"
            "Via: 1.1 ocsproxy-7f3a\r\n\r\n");
}

TEST(ResponseWriter, ATunnelIsConfirmedAsItWasAskedFor) {
  ResponseSituation situation;
  situation.asked.websocket = true;
  const std::string head = written_response(
      "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: WebSocket\r\n"
      "Sec-WebSocket-Accept: abc\r\n\r\n",
      situation);
  EXPECT_EQ(value_of(head, "Connection"), "Upgrade");
  EXPECT_EQ(value_of(head, "Upgrade"), "websocket");
  EXPECT_EQ(value_of(head, "Sec-WebSocket-Accept"), "abc");
  EXPECT_EQ(value_of(head, "Content-Length"), "(none)");
  EXPECT_EQ(value_of(head, "Transfer-Encoding"), "(none)");
}

// ---- fields

TEST(ResponseWriter, WhatBelongsToTheUpstreamConnectionGoesNoFurther) {
  const std::string head = written_response(
      ok("Content-Length: 0\r\nConnection: X-Hop, close\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n"
         "Proxy-Authenticate: NTLM\r\nProxy-Authentication-Info: a\r\nProxy-Connection: close\r\n"
         "Upgrade: h2\r\nTE: trailers\r\nTrailer: X-Sum\r\nX-Request-Id: theirs\r\n"));
  EXPECT_EQ(head, written_response(ok("Content-Length: 0\r\n")));
}

TEST(ResponseWriter, AllOtherFieldsGoOnAsTheyCameAndInOrder) {
  const std::string fields =
      "Server: IIS\r\nX-A: 1\r\nETag: \"x\"\r\nX_Under: kept\r\nX-A: 2\r\nX-Empty: \r\n"
      "X-Forwarded-For: 1\r\nHost: h\r\nPersistent-Auth: true\r\nX-Latin: \xfc\r\n";
  EXPECT_NE(written_response(ok(fields)).find(fields), std::string::npos);
}

TEST(ResponseWriter, ChallengesGoOnOnlyWhereTheClientMayAuthenticateDirectly) {
  ResponseSituation situation;
  const std::string response =
      "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Negotiate\r\nWWW-Authenticate: NTLM\r\n"
      "Authentication-Info: x=1\r\nContent-Length: 0\r\n\r\n";
  const std::string direct = written_response(response, situation);
  EXPECT_EQ(lines_of(direct, "WWW-Authenticate"),
            (std::vector<std::string>{"WWW-Authenticate: Negotiate", "WWW-Authenticate: NTLM"}));
  EXPECT_EQ(value_of(direct, "Authentication-Info"), "x=1");

  situation.rule = without_delegation(ocs_rule());
  const std::string none = written_response(response, situation);
  EXPECT_EQ(value_of(none, "WWW-Authenticate"), "(none)");
  EXPECT_EQ(value_of(none, "Authentication-Info"), "(none)");
}

TEST(ResponseWriter, TrailerAnnouncementsTravelWithTheChunks) {
  const std::string response = ok("Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n");
  EXPECT_EQ(value_of(written_response(response, from(kNow, true)), "Trailer"), "X-Sum");
  EXPECT_EQ(value_of(written_response(response, from(kOld, true)), "Trailer"), "(none)");
}

TEST(ResponseWriter, ViaFollowsTheSitesOwnAndTellsItsVersion) {
  const std::string head =
      written_response("HTTP/1.0 200 OK\r\nVia: 1.1 inner\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(lines_of(head, "Via"),
            (std::vector<std::string>{"Via: 1.1 inner", "Via: 1.0 ocsproxy-7f3a"}));
}

struct Reason {
  std::string_view sent;
  std::string expected;
};

TEST(ResponseWriter, TheReasonIsPrintableAsciiAndBounded) {
  const std::string long_reason(300, 'x');
  const Reason rows[] = {
      {"Not Found", "Not Found"},
      {"", ""},
      {"Zugriff f\xfcr alle", "Zugriff f?r alle"},
      {"a\tb", "a?b"},
      {long_reason, std::string(128, 'x')},
  };
  for (const Reason& row : rows) {
    const std::string head =
        written_response("HTTP/1.1 404 " + std::string(row.sent) + "\r\nContent-Length: 0\r\n\r\n");
    EXPECT_EQ(head.substr(0, head.find("\r\n")), "HTTP/1.1 404 " + row.expected);
  }
}

TEST(ResponseWriter, AHeadThatDoesNotFitIsNotWrittenAtAll) {
  ResponseSituation situation;
  situation.rule = ocs_rule({test::path("/x/*", "/a/long/internal/name/*")});
  const std::string response =
      ok("Location: https://ocspool.contoso.local/a/long/internal/name/y?z\r\n"
         "Set-Cookie: a=b; Path=/a/long/internal/name; Domain=ocspool.contoso.local\r\n");
  const std::size_t needed = written_response(response, situation).size();
  ASSERT_GT(needed, 0U);
  for (situation.room = 0; situation.room < needed; ++situation.room) {
    EXPECT_EQ(written_response(response, situation), "") << situation.room;
  }
  situation.room = needed;
  EXPECT_EQ(written_response(response, situation).size(), needed);
}

}  // namespace
}  // namespace ocsproxy
