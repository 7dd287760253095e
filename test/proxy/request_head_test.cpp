#include "base/text.h"
#include "proxy/head_parser.h"

namespace ocsproxy {
namespace {

using State = HeadOutcome::State;

struct Parsed {
  HeadOutcome outcome;
  RequestHead head;
};

Parsed parse(std::string_view text) {
  Parsed parsed;
  HeadProgress progress;
  parsed.outcome = parse_request_head(text, progress, parsed.head);
  return parsed;
}

TEST(RequestHead, EachPartIsAViewIntoTheInput) {
  const std::string text =
      "GET /a?b HTTP/1.1\r\nHost: www.example.test\r\nX-Empty:\r\nx-tabs:\t a \t\r\n\r\nbody";
  const Parsed parsed = parse(text);
  ASSERT_EQ(parsed.outcome.state, State::complete) << parsed.outcome.refusal.why;
  EXPECT_EQ(parsed.outcome.size, text.size() - 4);
  EXPECT_EQ(parsed.head.method, "GET");
  EXPECT_EQ(parsed.head.method_id, Method::get);
  EXPECT_EQ(parsed.head.target, "/a?b");
  EXPECT_EQ(parsed.head.version, Version::http1_1);
  ASSERT_EQ(parsed.head.fields.size(), 3U);
  EXPECT_EQ(parsed.head.fields[0].name, "Host");
  EXPECT_EQ(parsed.head.fields[0].value, "www.example.test");
  EXPECT_EQ(parsed.head.fields[0].id, FieldId::host);
  EXPECT_EQ(parsed.head.fields[1].value, "");
  EXPECT_EQ(parsed.head.fields[2].value, "a");
  for (const FieldView& field : parsed.head.fields) {
    EXPECT_GE(field.name.data(), text.data());
    EXPECT_LE(field.value.data() + field.value.size(), text.data() + text.size());
  }
}

TEST(RequestHead, ReusedHeadForgetsTheFieldsOfTheMessageBefore) {
  RequestHead head;
  HeadProgress first;
  ASSERT_EQ(parse_request_head(std::string_view("GET / HTTP/1.1\r\nHost: a\r\nVia: b\r\n\r\n"),
                               first, head)
                .state,
            State::complete);
  HeadProgress second;
  ASSERT_EQ(parse_request_head(std::string_view("PUT /x HTTP/1.0\r\n\r\n"), second, head).state,
            State::complete);
  EXPECT_TRUE(head.fields.empty());
  EXPECT_FALSE(head.fields.has(FieldId::via));
  EXPECT_EQ(head.version, Version::http1_0);
}

struct Accepted {
  std::string_view situation;
  std::string_view text;
};
const Accepted kAccepted[] = {
    {"no field at all", "GET / HTTP/1.0\r\n\r\n"},
    {"one empty line before", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"},
    {"extension method", "RPC_IN_DATA /rpc HTTP/1.1\r\nHost: a\r\n\r\n"},
    {"lower-case method", "get / HTTP/1.1\r\nHost: a\r\n\r\n"},
    {"absolute-form", "GET http://a/b HTTP/1.1\r\nHost: a\r\n\r\n"},
    {"bytes above 0x7f in a value", "GET / HTTP/1.1\r\nHost: a\r\nX-A: \xc3\xa4\r\n\r\n"},
    {"name with an underscore", "GET / HTTP/1.1\r\nHost: a\r\nX_A: 1\r\n\r\n"},
    {"every kind of tchar in a name", "GET / HTTP/1.1\r\n!#$%&'*+-.^_`|~09azAZ: 1\r\n\r\n"},
    {"colon in a value", "GET / HTTP/1.1\r\nX-A: : b:c\r\n\r\n"},
};

TEST(RequestHead, WellFormedHeadsAreAccepted) {
  for (const Accepted& row : kAccepted) {
    const Parsed parsed = parse(row.text);
    EXPECT_EQ(parsed.outcome.state, State::complete)
        << row.situation << ": " << parsed.outcome.refusal.why;
    EXPECT_EQ(parsed.outcome.size, row.text.size()) << row.situation;
  }
}

struct Refused {
  std::string_view situation;
  std::string_view text;
  int status;
};
using namespace std::string_view_literals;
const Refused kRefused[] = {
    {"bare LF lines", "GET / HTTP/1.1\nHost: a\n\n", 400},
    {"bare LF after a field", "GET / HTTP/1.1\r\nX-A: b\nHost: a\r\n\r\n", 400},
    {"bare CR in a value", "GET / HTTP/1.1\r\nX-A: b\rHost: a\r\n\r\n", 400},
    {"CR CR LF", "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", 400},
    {"NUL in a value", "GET / HTTP/1.1\r\nX-A: b\0\r\n\r\n"sv, 400},
    {"ESC in a value", "GET / HTTP/1.1\r\nX-A: \x1b[0m\r\n\r\n", 400},
    {"DEL in a value", "GET / HTTP/1.1\r\nX-A: \x7f\r\n\r\n", 400},
    {"folded value", "GET / HTTP/1.1\r\nX-A: b\r\n c\r\n\r\n", 400},
    {"value folded with a tab", "GET / HTTP/1.1\r\nX-A:\r\n\tc\r\n\r\n", 400},
    {"space before the first field", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400},
    {"space before the colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400},
    {"tab before the colon", "GET / HTTP/1.1\r\nHost\t: a\r\n\r\n", 400},
    {"empty name", "GET / HTTP/1.1\r\n: a\r\n\r\n", 400},
    {"no colon", "GET / HTTP/1.1\r\nHost\r\n\r\n", 400},
    {"slash in a name", "GET / HTTP/1.1\r\nX/A: b\r\n\r\n", 400},
    {"non-ASCII byte in a name", "GET / HTTP/1.1\r\nX\xe4: b\r\n\r\n", 400},
    {"two empty lines before", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"empty method", " / HTTP/1.1\r\n\r\n", 400},
    {"method with a colon", "G:T / HTTP/1.1\r\n\r\n", 400},
    {"two spaces before the target", "GET  / HTTP/1.1\r\n\r\n", 400},
    {"two spaces after the target", "GET /  HTTP/1.1\r\n\r\n", 400},
    {"space in the target", "GET /a b HTTP/1.1\r\n\r\n", 400},
    {"tabs instead of spaces", "GET\t/\tHTTP/1.1\r\n\r\n", 400},
    {"tab in the target", "GET /a\tb HTTP/1.1\r\n\r\n", 400},
    {"non-ASCII byte in the target", "GET /\xe4 HTTP/1.1\r\n\r\n", 400},
    {"space after the version", "GET / HTTP/1.1 \r\n\r\n", 400},
    {"HTTP/0.9", "GET /\r\n\r\n", 400},
    {"method alone", "GET\r\n\r\n", 400},
    {"lower-case http", "GET / http/1.1\r\n\r\n", 400},
    {"version without minor", "GET / HTTP/1\r\n\r\n", 400},
    {"version with two digits", "GET / HTTP/1.10\r\n\r\n", 400},
    {"version 1.2", "GET / HTTP/1.2\r\n\r\n", 505},
    {"version 2.0", "PRI * HTTP/2.0\r\n\r\n", 505},
    {"version 0.9", "GET / HTTP/0.9\r\n\r\n", 505},
    {"method longer than any",
     "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKLMNOPQRSTUVWXYZ / HTTP/1.1\r\n\r\n", 501},
};

TEST(RequestHead, HeadsThatTwoParsersCouldReadDifferentlyAreRefused) {
  for (const Refused& row : kRefused) {
    const Parsed parsed = parse(row.text);
    EXPECT_EQ(parsed.outcome.state, State::refused) << row.situation;
    EXPECT_EQ(parsed.outcome.refusal.status, row.status) << row.situation;
    EXPECT_FALSE(parsed.outcome.refusal.why.empty()) << row.situation;
  }
}

TEST(RequestHead, NoPartOfARefusedHeadIsEverTakenForAWholeOne) {
  for (const Refused& row : kRefused) {
    for (std::size_t size = 0; size < row.text.size(); ++size) {
      EXPECT_NE(parse(row.text.substr(0, size)).outcome.state, State::complete) << row.situation;
    }
  }
}

TEST(RequestHead, DrippedHeadGivesTheSameAsAWholeOne) {
  for (const Refused& row : kRefused) {
    RequestHead head;
    HeadProgress progress;
    HeadOutcome outcome;
    for (std::size_t size = 1; size <= row.text.size() && outcome.state == State::need_more;
         ++size) {
      outcome = parse_request_head(row.text.substr(0, size), progress, head);
    }
    EXPECT_EQ(outcome.refusal.status, row.status) << row.situation;
  }
  for (const Accepted& row : kAccepted) {
    RequestHead head;
    HeadProgress progress;
    HeadOutcome outcome;
    std::size_t size = 0;
    while (outcome.state == State::need_more && size < row.text.size()) {
      outcome = parse_request_head(row.text.substr(0, ++size), progress, head);
    }
    EXPECT_EQ(outcome.state, State::complete) << row.situation;
    EXPECT_EQ(size, row.text.size()) << row.situation;
  }
}

TEST(RequestHead, FaultsAreRefusedBeforeTheEndOfTheHeadHasCome) {
  EXPECT_EQ(parse("\x16\x03\x01\x02").outcome.refusal.status, 400);  // a TLS ClientHello
  EXPECT_EQ(parse("SSH-2.0-OpenSSH_9.2\r\n").outcome.refusal.status, 400);
  EXPECT_EQ(parse("GET / HTTP/3.0\r\n").outcome.refusal.status, 505);
  EXPECT_EQ(parse("GET / HTTP/1.1\n").outcome.refusal.status, 400);
  EXPECT_EQ(parse("GET / HTTP/1.1\r\nX: 0123456789abcdef\x7f").outcome.refusal.status, 400);
}

TEST(RequestHead, StartedOnlyWhenMoreThanAnEmptyLineHasCome) {
  const auto started = [](std::string_view text) {
    RequestHead head;
    HeadProgress progress;
    EXPECT_EQ(parse_request_head(text, progress, head).state, State::need_more);
    return progress.started();
  };
  EXPECT_FALSE(started(""));
  EXPECT_FALSE(started("\r"));
  EXPECT_FALSE(started("\r\n"));
  EXPECT_TRUE(started("G"));
  EXPECT_TRUE(started("\r\nG"));
}

std::string fields(std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += "X-A: 1\r\n";
  return text;
}

TEST(RequestHead, AtMost100FieldsAreTaken) {
  EXPECT_EQ(parse("GET / HTTP/1.1\r\n" + fields(100) + "\r\n").outcome.state, State::complete);
  EXPECT_EQ(parse("GET / HTTP/1.1\r\n" + fields(101)).outcome.refusal.status, 431);
}

TEST(RequestHead, AtMost32KibAreTaken) {
  const std::string start = "GET / HTTP/1.1\r\nX-A: ";
  const std::string exact = start + std::string(kMaxHeadBytes - start.size() - 4, 'x') + "\r\n\r\n";
  EXPECT_EQ(parse(exact).outcome.state, State::complete);
  EXPECT_EQ(parse(exact.substr(0, kMaxHeadBytes - 1)).outcome.state, State::need_more);
  const std::string larger =
      start + std::string(kMaxHeadBytes - start.size() - 3, 'x') + "\r\n\r\n";
  EXPECT_EQ(parse(larger).outcome.refusal.status, 431);
  // A buffer of that size is full and gets no further byte: to wait would be to hang.
  EXPECT_EQ(parse(larger.substr(0, kMaxHeadBytes)).outcome.refusal.status, 431);
  EXPECT_EQ(parse("GET /" + std::string(kMaxHeadBytes, 'x')).outcome.refusal.status, 414);
}

// Each position of a 16-byte block, and the bytes after the last whole block, are looked at.
TEST(RequestHead, ControlByteIsFoundWhereverItStands) {
  for (std::size_t length = 1; length < 70; ++length) {
    const std::string value(length, '\t');
    EXPECT_EQ(parse("GET / HTTP/1.1\r\nX: " + value + "\xff\r\n\r\n").outcome.state,
              State::complete);
    for (std::size_t at = 0; at < length; ++at) {
      for (const char bad : {'\0', '\x1f', '\x7f', '\n', '\r', '\b'}) {
        std::string text = "GET / HTTP/1.1\r\nX: " + value + "\r\n\r\n";
        text[19 + at] = bad;
        if (bad == '\r' && at + 1 == length) continue;  // CR CR LF is elsewhere
        EXPECT_EQ(parse(text).outcome.refusal.status, 400) << length << " " << at;
      }
    }
  }
}

}  // namespace
}  // namespace ocsproxy
