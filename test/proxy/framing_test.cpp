#include "proxy/framing.h"

#include "proxy/head_parser.h"

namespace ocsproxy {
namespace {

struct RequestRow {
  std::string_view situation;
  std::string_view start;   // method and version
  std::string_view fields;  // separated by "|"
  int status;               // 0: accepted
  BodyKind body = BodyKind::none;
  std::uint64_t length = 0;
  bool keep_alive = true;
};

// The head as the parser gives it; views into `text`, which outlives them.
RequestHead request(std::string_view start, std::string_view fields, std::string& text) {
  const std::size_t space = start.find(' ');
  text = std::string(start.substr(0, space)) + " /a" + std::string(start.substr(space)) + "\r\n";
  for (const char c : fields) text += c == '|' ? "\r\n" : std::string(1, c);
  text += fields.empty() ? "\r\n" : "\r\n\r\n";
  RequestHead head;
  HeadProgress progress;
  const HeadOutcome outcome = parse_request_head(text, progress, head);
  EXPECT_EQ(outcome.state, HeadOutcome::State::complete) << text << outcome.refusal.why;
  return head;
}

constexpr auto kNone = BodyKind::none;
constexpr auto kLength = BodyKind::length;
constexpr auto kChunked = BodyKind::chunked;

const RequestRow kRequests[] = {
    {"no framing field", "POST HTTP/1.1", "", 0},
    {"length", "POST HTTP/1.1", "Content-Length: 5", 0, kLength, 5},
    {"length of zero", "POST HTTP/1.1", "Content-Length: 0", 0, kLength, 0},
    {"length with a leading zero", "POST HTTP/1.1", "Content-Length: 005", 0, kLength, 5},
    {"largest length", "POST HTTP/1.1", "Content-Length: 9223372036854775807", 0, kLength,
     9223372036854775807U},
    {"length above 2^63-1", "POST HTTP/1.1", "Content-Length: 9223372036854775808", 400},
    {"length of 20 digits", "POST HTTP/1.1", "Content-Length: 00000000000000000005", 400},
    {"same length twice in a list", "POST HTTP/1.1", "Content-Length: 5, 5", 400},
    {"two lengths", "POST HTTP/1.1", "Content-Length: 5|Content-Length: 6", 400},
    {"same length in two fields", "POST HTTP/1.1", "Content-Length: 5|content-length: 5", 400},
    {"GET with a body", "GET HTTP/1.1", "Content-Length: 5", 0, kLength, 5},
    {"HEAD with a body", "HEAD HTTP/1.1", "Content-Length: 5", 0, kLength, 5},
    {"chunked", "POST HTTP/1.1", "Transfer-Encoding: chunked", 0, kChunked},
    {"chunked in capitals", "POST HTTP/1.1", "TRANSFER-ENCODING: CHUNKED", 0, kChunked},
    {"chunked in HTTP/1.0", "POST HTTP/1.0", "Transfer-Encoding: chunked", 400},
    {"other coding", "POST HTTP/1.1", "Transfer-Encoding: gzip", 501},
    {"other coding before chunked", "POST HTTP/1.1", "Transfer-Encoding: gzip, chunked", 501},
    {"chunked with an empty element", "POST HTTP/1.1", "Transfer-Encoding: , chunked", 501},
    {"chunked with a parameter", "POST HTTP/1.1", "Transfer-Encoding: chunked;q=1", 501},
    {"empty coding", "POST HTTP/1.1", "Transfer-Encoding:", 501},
    {"two codings", "POST HTTP/1.1", "Transfer-Encoding: identity|Transfer-Encoding: chunked", 400},
    {"aliases of framing fields mean nothing", "POST HTTP/1.1", "Content_Length: 5", 0},
    {"close", "GET HTTP/1.1", "Connection: close", 0, kNone, 0, false},
    {"close in a list", "GET HTTP/1.1", "Connection: x ,\tCLOSE,", 0, kNone, 0, false},
    {"close in the second field", "GET HTTP/1.1", "Connection: x|Connection: close", 0, kNone, 0,
     false},
    {"close beats keep-alive", "GET HTTP/1.1", "Connection: keep-alive, close", 0, kNone, 0, false},
    {"HTTP/1.0", "GET HTTP/1.0", "", 0, kNone, 0, false},
    {"HTTP/1.0 with keep-alive", "GET HTTP/1.0", "Connection: Keep-Alive", 0, kNone, 0, true},
    {"HTTP/1.0 with both", "GET HTTP/1.0", "Connection: keep-alive, close", 0, kNone, 0, false},
    {"Proxy-Connection means nothing", "GET HTTP/1.0", "Proxy-Connection: keep-alive", 0, kNone, 0,
     false},
    {"Connection names Content-Length", "POST HTTP/1.1",
     "Connection: content-length|Content-Length: 5", 400},
    {"Connection names Transfer-Encoding", "GET HTTP/1.1", "Connection: Transfer-Encoding", 400},
    {"Connection names Host", "GET HTTP/1.1", "Connection: host", 400},
    {"Connection names too much", "GET HTTP/1.1", "Connection: a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q",
     400},
};

TEST(RequestFraming, LengthAndPersistenceAreDecidedStrictly) {
  for (const RequestRow& row : kRequests) {
    SCOPED_TRACE(row.situation);
    std::string text;
    const RequestHead head = request(row.start, row.fields, text);
    RequestFraming framing;
    const Refusal refusal = request_framing(head, framing);
    ASSERT_EQ(refusal.status, row.status) << refusal.why;
    if (refusal) continue;
    EXPECT_EQ(framing.body, row.body);
    EXPECT_EQ(framing.length, row.length);
    EXPECT_EQ(framing.keep_alive, row.keep_alive);
  }
}

// What Beast refuses first never reaches the decision; it must not depend on that.
TEST(RequestFraming, FramingFieldsAreJudgedWithoutHelpFromTheParser) {
  struct Row {
    std::string_view length;
    std::string_view coding;
    int status;
  };
  constexpr Row kRows[] = {
      {"5", "chunked", 400}, {"5", "x", 400},  {"", "", 400},      {"-1", "", 400},
      {"+1", "", 400},       {"0x5", "", 400}, {"5 6", "", 400},   {"5.0", "", 400},
      {"5e0", "", 400},      {"0_5", "", 400}, {"5;x=1", "", 400},
  };
  for (const Row& row : kRows) {
    RequestHead head;
    head.fields.add({"Content-Length", row.length, FieldId::content_length});
    if (!row.coding.empty()) {
      head.fields.add({"Transfer-Encoding", row.coding, FieldId::transfer_encoding});
    }
    RequestFraming framing;
    EXPECT_EQ(request_framing(head, framing).status, row.status) << row.length;
  }
  RequestHead head;
  head.fields.add({"Connection", "a b", FieldId::connection});
  RequestFraming framing;
  EXPECT_EQ(request_framing(head, framing).status, 400);
}

TEST(RequestFraming, ConnectionNamesAreKeptAndFoundWithoutRegardToCase) {
  std::string text;
  const RequestHead head =
      request("GET HTTP/1.1", "Connection: close, X-Hop1 ,x-hop2|Connection: TE,,upgrade", text);
  RequestFraming framing;
  ASSERT_FALSE(request_framing(head, framing));
  EXPECT_EQ(framing.options.name_count, 3U);
  EXPECT_TRUE(framing.options.close);
  EXPECT_TRUE(framing.options.upgrade);
  EXPECT_TRUE(framing.options.lists("x-hop1"));
  EXPECT_TRUE(framing.options.lists("X-HOP2"));
  EXPECT_TRUE(framing.options.lists("te"));
  EXPECT_FALSE(framing.options.lists("close"));
  EXPECT_FALSE(framing.options.lists("x-hop"));
}

struct ExpectRow {
  std::string_view start;
  std::string_view fields;
  int status;
  bool expects;
};
constexpr ExpectRow kExpects[] = {
    {"POST HTTP/1.1", "Expect: 100-continue|Content-Length: 5", 0, true},
    {"POST HTTP/1.1", "Expect: 100-Continue|Transfer-Encoding: chunked", 0, true},
    {"POST HTTP/1.1", "Expect: 100-continue|Expect: 100-continue|Content-Length: 5", 0, true},
    {"POST HTTP/1.1", "Expect: 100-continue|Content-Length: 0", 0, false},
    {"POST HTTP/1.1", "Expect: 100-continue", 0, false},
    {"POST HTTP/1.0", "Expect: 100-continue|Content-Length: 5", 0, false},
    {"POST HTTP/1.0", "Expect: nonsense|Content-Length: 5", 0, false},
    {"POST HTTP/1.1", "Expect: y 100-continue|Content-Length: 5", 417, false},
    {"POST HTTP/1.1", "Expect: 100-continue, x|Content-Length: 5", 417, false},
    {"POST HTTP/1.1", "Expect:|Content-Length: 5", 417, false},
};

TEST(RequestFraming, OnlyTheOneExpectationIsTakenAndOnlyWithABody) {
  for (const ExpectRow& row : kExpects) {
    std::string text;
    const RequestHead head = request(row.start, row.fields, text);
    RequestFraming framing;
    EXPECT_EQ(request_framing(head, framing).status, row.status) << text;
    EXPECT_EQ(framing.expect_continue, row.expects) << text;
  }
}

struct UpgradeRow {
  std::string_view start;
  std::string_view fields;
  int status;
  bool websocket;
};
constexpr UpgradeRow kUpgrades[] = {
    {"GET HTTP/1.1", "Connection: Upgrade|Upgrade: websocket", 0, true},
    {"GET HTTP/1.1", "Connection: keep-alive, upgrade|Upgrade: WebSocket", 0, true},
    {"GET HTTP/1.1", "Connection: Upgrade|Upgrade: foo, websocket", 0, true},
    {"GET HTTP/1.1", "Connection: Upgrade|Upgrade: websocket|Content-Length: 0", 0, true},
    {"GET HTTP/1.1", "Upgrade: websocket", 0, false},
    {"GET HTTP/1.1", "Connection: close|Upgrade: websocket", 0, false},
    {"GET HTTP/1.1", "Connection: Upgrade", 0, false},
    {"GET HTTP/1.1", "Connection: Upgrade|Upgrade: websocket/13", 0, false},
    {"GET HTTP/1.1", "Connection: Upgrade, HTTP2-Settings|Upgrade: h2c", 0, false},
    {"GET HTTP/1.1", "Connection: Upgrade|Upgrade: TLS/1.0", 0, false},
    {"POST HTTP/1.1", "Connection: Upgrade|Upgrade: h2c|Content-Length: 5", 0, false},
    {"POST HTTP/1.1", "Connection: Upgrade|Upgrade: websocket", 0, false},
    {"GET HTTP/1.0", "Connection: Upgrade|Upgrade: websocket", 0, false},
    {"GET HTTP/1.1", "Connection: Upgrade|Upgrade: websocket|Content-Length: 5", 400, false},
    {"POST HTTP/1.1", "Connection: Upgrade|Upgrade: websocket|Transfer-Encoding: chunked", 400,
     false},
};

TEST(RequestFraming, OnlyAWebSocketHandshakeIsAnUpgrade) {
  for (const UpgradeRow& row : kUpgrades) {
    std::string text;
    const RequestHead head = request(row.start, row.fields, text);
    RequestFraming framing;
    EXPECT_EQ(request_framing(head, framing).status, row.status) << text;
    EXPECT_EQ(framing.websocket, row.websocket) << text;
  }
}

struct ResponseRow {
  std::string_view situation;
  std::string_view status_line;
  std::string_view fields;
  bool accepted;
  BodyKind body = BodyKind::none;
  std::uint64_t length = 0;
  bool keep_alive = true;
  bool length_goes_on = false;
  Method method = Method::get;
  bool websocket = false;
};

ResponseHead response(std::string_view status_line, std::string_view fields, std::string& text) {
  text = std::string(status_line) + "\r\n";
  for (const char c : fields) text += c == '|' ? "\r\n" : std::string(1, c);
  text += fields.empty() ? "\r\n" : "\r\n\r\n";
  ResponseHead head;
  HeadProgress progress;
  const HeadOutcome outcome = parse_response_head(text, progress, head);
  EXPECT_EQ(outcome.state, HeadOutcome::State::complete) << text << outcome.refusal.why;
  return head;
}

constexpr auto kUntilClose = BodyKind::until_close;
const ResponseRow kResponses[] = {
    {"length", "HTTP/1.1 200 OK", "Content-Length: 5", true, kLength, 5, true, true},
    {"chunked", "HTTP/1.1 200 OK", "Transfer-Encoding: chunked", true, kChunked},
    {"neither", "HTTP/1.1 200 OK", "", true, kUntilClose, 0, false},
    {"close", "HTTP/1.1 200 OK", "Content-Length: 5|Connection: close", true, kLength, 5, false,
     true},
    {"HTTP/1.0", "HTTP/1.0 200 OK", "Content-Length: 5", true, kLength, 5, false, true},
    {"HTTP/1.0 keep-alive", "HTTP/1.0 200 OK", "Content-Length: 5|Connection: keep-alive", true,
     kLength, 5, true, true},
    {"HTTP/1.0 keep-alive until close", "HTTP/1.0 200 OK", "Connection: keep-alive", true,
     kUntilClose, 0, false},
    {"HTTP/1.0 chunked", "HTTP/1.0 200 OK", "Transfer-Encoding: chunked", false},
    {"other coding", "HTTP/1.1 200 OK", "Transfer-Encoding: gzip", false},
    {"two equal lengths", "HTTP/1.1 200 OK", "Content-Length: 5|Content-Length: 5", false},
    {"length too large", "HTTP/1.1 200 OK", "Content-Length: 9223372036854775808", false},
    {"Connection names a framing field", "HTTP/1.1 200 OK",
     "Content-Length: 5|Connection: content-length", false},
    {"answer to HEAD", "HTTP/1.1 200 OK", "Content-Length: 5", true, kNone, 5, true, true,
     Method::head},
    {"chunked answer to HEAD", "HTTP/1.1 200 OK", "Transfer-Encoding: chunked", true, kNone, 0,
     true, false, Method::head},
    {"answer to HEAD without length", "HTTP/1.1 200 OK", "", true, kNone, 0, true, false,
     Method::head},
    {"304", "HTTP/1.1 304 Not Modified", "Content-Length: 5", true, kNone, 5, true, true},
    {"204", "HTTP/1.1 204 No Content", "", true},
    {"204 with a length of zero", "HTTP/1.1 204 No Content", "Content-Length: 0", true},
    {"204 that announces a body", "HTTP/1.1 204 No Content", "Content-Length: 5", true, kNone, 0,
     false},
    {"204 that announces chunks", "HTTP/1.1 204 No Content", "Transfer-Encoding: chunked", true,
     kNone, 0, false},
    {"205", "HTTP/1.1 205 Reset Content", "Content-Length: 0", true, kLength, 0, true, true},
    {"100", "HTTP/1.1 100 Continue", "", true},
    {"100 with a body", "HTTP/1.1 100 Continue", "Content-Length: 5", false},
    {"103 with chunks", "HTTP/1.1 103 Early Hints", "Transfer-Encoding: chunked", false},
    {"101 unasked", "HTTP/1.1 101 S", "Connection: upgrade|Upgrade: websocket", false},
    {"101 to another protocol", "HTTP/1.1 101 S", "Connection: upgrade|Upgrade: h2c", false, kNone,
     0, false, false, Method::get, true},
    {"101 without Connection", "HTTP/1.1 101 S", "Upgrade: websocket", false, kNone, 0, false,
     false, Method::get, true},
    {"101 without Upgrade", "HTTP/1.1 101 S", "Connection: upgrade", false, kNone, 0, false, false,
     Method::get, true},
    {"101 as asked", "HTTP/1.1 101 S", "Connection: upgrade|Upgrade: websocket", true, kNone, 0,
     false, false, Method::get, true},
    {"426 may name protocols", "HTTP/1.1 426 U",
     "Connection: upgrade|Upgrade: h2c|Content-Length: 0", true, kLength, 0, true, true},
};

TEST(ResponseFraming, LengthAndReuseAreDecidedStrictly) {
  for (const ResponseRow& row : kResponses) {
    SCOPED_TRACE(row.situation);
    std::string text;
    const ResponseHead head = response(row.status_line, row.fields, text);
    ResponseFraming framing;
    const Refusal refusal =
        response_framing(head, {.method = row.method, .websocket = row.websocket}, framing);
    ASSERT_EQ(refusal.status, row.accepted ? 0 : 502) << refusal.why;
    if (refusal) continue;
    EXPECT_EQ(framing.body, row.body);
    EXPECT_EQ(framing.length, row.length);
    EXPECT_EQ(framing.keep_alive, row.keep_alive);
    EXPECT_EQ(framing.content_length_valid, row.length_goes_on);
    EXPECT_EQ(framing.interim, head.status < 200 && head.status != 101);
    EXPECT_EQ(framing.tunnel, head.status == 101);
  }
}

}  // namespace
}  // namespace ocsproxy
