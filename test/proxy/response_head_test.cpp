#include "proxy/head_parser.h"

namespace ocsproxy {
namespace {

using State = HeadOutcome::State;

struct Parsed {
  HeadOutcome outcome;
  ResponseHead head;
};

Parsed parse(std::string_view text) {
  Parsed parsed;
  HeadProgress progress;
  parsed.outcome = parse_response_head(text, progress, parsed.head);
  return parsed;
}

struct Accepted {
  std::string_view text;
  int status;
  std::string_view reason;
  Version version;
};
const Accepted kAccepted[] = {
    {"HTTP/1.1 200 OK\r\nServer: x\r\n\r\n", 200, "OK", Version::http1_1},
    {"HTTP/1.0 404 Not Found\r\nServer: x\r\n\r\n", 404, "Not Found", Version::http1_0},
    {"HTTP/1.1 200 \r\nServer: x\r\n\r\n", 200, "", Version::http1_1},
    {"HTTP/1.1 200\r\nServer: x\r\n\r\n", 200, "", Version::http1_1},
    {"HTTP/1.1 999 X\r\nServer: x\r\n\r\n", 999, "X", Version::http1_1},
    {"\r\nHTTP/1.1 100 Continue\r\nServer: x\r\n\r\n", 100, "Continue", Version::http1_1},
    {"HTTP/1.1 200 Gr\xfc\xdf\r\nServer: x\r\n\r\n", 200, "Gr\xfc\xdf", Version::http1_1},
};

TEST(ResponseHead, WellFormedHeadsAreAcceptedWithAndWithoutReason) {
  for (const Accepted& row : kAccepted) {
    const Parsed parsed = parse(row.text);
    ASSERT_EQ(parsed.outcome.state, State::complete) << row.text << parsed.outcome.refusal.why;
    EXPECT_EQ(parsed.outcome.size, row.text.size());
    EXPECT_EQ(parsed.head.status, row.status);
    EXPECT_EQ(parsed.head.reason, row.reason);
    EXPECT_EQ(parsed.head.version, row.version);
    ASSERT_EQ(parsed.head.fields.size(), 1U);
    EXPECT_EQ(parsed.head.fields[0].id, FieldId::server);
    EXPECT_EQ(parsed.head.fields[0].value, "x");
    EXPECT_GT(parsed.head.fields[0].name.data(), row.text.data());
  }
}

TEST(ResponseHead, HeadWithoutFieldsIsAccepted) {
  const Parsed parsed = parse("HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_EQ(parsed.outcome.state, State::complete);
  EXPECT_TRUE(parsed.head.fields.empty());
}

constexpr std::string_view kRefused[] = {
    "HTTP/1.1 2000 OK\r\n\r\n",
    "HTTP/1.1 20 OK\r\n\r\n",
    "HTTP/1.1 000 X\r\n\r\n",
    "HTTP/1.1 099 X\r\n\r\n",
    "HTTP/1.1 +20 X\r\n\r\n",
    "HTTP/1.1  200 OK\r\n\r\n",
    "HTTP/1.1\t200 OK\r\n\r\n",
    "HTTP/2.0 200 OK\r\n\r\n",
    "HTTP/1.2 200 OK\r\n\r\n",
    "HTTP/1 200 OK\r\n\r\n",
    "ICY 200 OK\r\n\r\n",
    "http/1.1 200 OK\r\n\r\n",
    " HTTP/1.1 200 OK\r\n\r\n",
    "<html>hi</html>\r\n",
    "HTTP/1.1 200\tOK\r\n\r\n",
    "HTTP/1.1 200 O\x1bK\r\n\r\n",
    "HTTP/1.1 200 OK\n\n",
    "HTTP/1.1 200 OK\r\nnonsense\r\n\r\n",
    "HTTP/1.1 200 OK\r\nX-A: a\rX-B: c\r\n\r\n",
    "HTTP/1.1 200 OK\r\nX-A: a\r\n b\r\n\r\n",
    "HTTP/1.1 200 OK\r\nX-A : a\r\n\r\n",
    "helloHTTP/1.1 200 OK\r\n\r\n",
};

TEST(ResponseHead, MalformedHeadsAreRefusedWith502) {
  for (const std::string_view text : kRefused) {
    const Parsed parsed = parse(text);
    EXPECT_EQ(parsed.outcome.state, State::refused) << text;
    EXPECT_EQ(parsed.outcome.refusal.status, 502) << text;
  }
}

TEST(ResponseHead, LimitsHoldTowardsTheUpstreamToo) {
  std::string fields;
  for (int i = 0; i < 101; ++i) fields += "X-A: 1\r\n";
  EXPECT_EQ(parse("HTTP/1.1 200 OK\r\n" + fields).outcome.refusal.status, 502);
  EXPECT_EQ(parse("HTTP/1.1 200 " + std::string(kMaxHeadBytes, 'r')).outcome.refusal.status, 502);
  EXPECT_EQ(
      parse("HTTP/1.1 200 OK\r\nX: " + std::string(kMaxHeadBytes, 'r')).outcome.refusal.status,
      502);
}

TEST(ResponseHead, DrippedHeadIsCompleteWithItsLastByteOnly) {
  constexpr std::string_view kText = "HTTP/1.1 200\r\nX-A: b\r\n\r\n";
  ResponseHead head;
  HeadProgress progress;
  for (std::size_t size = 0; size < kText.size(); ++size) {
    ASSERT_EQ(parse_response_head(kText.substr(0, size), progress, head).state, State::need_more);
  }
  EXPECT_EQ(parse_response_head(kText, progress, head).state, State::complete);
}

}  // namespace
}  // namespace ocsproxy
