#include "proxy/trailer_section.h"
#include "test/proxy/chunked_runner.h"

namespace ocsproxy::test {
namespace {

using Mode = ChunkedDecoder::Mode;
using State = ChunkedDecoder::State;

std::string repeat(std::string_view text, std::size_t times) {
  std::string result;
  for (std::size_t i = 0; i < times; ++i) result += text;
  return result;
}

TEST(ChunkedDecoder, PlainMessageGoesOnAsOnePieceThatLiesInTheInput) {
  const std::string message = "5\r\nhello\r\n006\r\n world\r\n0\r\n\r\n";
  ChunkedDecoder decoder(Mode::verbatim, Side::client);
  ChunkedDecoder::Output output;
  ASSERT_EQ(decoder.feed(message, output), State::complete);
  ASSERT_EQ(output.count, 1U);
  EXPECT_EQ(output.pieces[0].data(), message.data());
  EXPECT_EQ(output.pieces[0].size(), message.size());
  EXPECT_EQ(decoder.data_bytes(), 11U);
}

TEST(ChunkedDecoder, DataInTheMiddleOfALargeChunkGoesOnAsOnePiece) {
  ChunkedDecoder decoder(Mode::verbatim, Side::upstream);
  ChunkedDecoder::Output output;
  ASSERT_EQ(decoder.feed(std::string_view("100000\r\nabc"), output), State::more);
  const std::string middle(1000, 'x');
  ASSERT_EQ(decoder.feed(middle, output), State::more);
  ASSERT_EQ(output.count, 1U);
  EXPECT_EQ(output.pieces[0].data(), middle.data());
  EXPECT_EQ(output.pieces[0].size(), middle.size());
}

TEST(ChunkedDecoder, BytesAfterTheMessageAreNotTaken) {
  const Decoded decoded = decode(Mode::verbatim, "1\r\na\r\n0\r\n\r\nGET / HTTP/1.1\r\n");
  EXPECT_EQ(decoded.state, State::complete);
  EXPECT_EQ(decoded.consumed, 11U);
  EXPECT_EQ(decoded.out, "1\r\na\r\n0\r\n\r\n");
}

TEST(ChunkedDecoder, ExtensionsAreCutOut) {
  const Decoded decoded = decode(Mode::verbatim, "5;a=b;c=\"d e\"\r\nhello\r\n0;z\r\n\r\n");
  EXPECT_EQ(decoded.state, State::complete);
  EXPECT_EQ(decoded.out, "5\r\nhello\r\n0\r\n\r\n");
}

TEST(ChunkedDecoder, SizeLineCutInTwoIsWrittenAnew) {
  const Decoded decoded =
      decode(Mode::verbatim, "0001A;x\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\n\r\n", {3});
  EXPECT_EQ(decoded.state, State::complete);
  EXPECT_EQ(decoded.out, "1a\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\n\r\n");
}

TEST(ChunkedDecoder, LastChunkWaitsForTheWholeTrailerSection) {
  const Decoded decoded = decode(Mode::verbatim, "5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n", {10, 3, 8});
  ASSERT_EQ(decoded.state, State::complete);
  EXPECT_THAT(decoded.sent_before_end, testing::Each("5\r\nhello\r\n"));
  EXPECT_EQ(decoded.out, "5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n");
}

TEST(ChunkedDecoder, MoreExtensionsThanPiecesAreTakenInSeveralTurns) {
  const std::string message = repeat("1;a\r\nx\r\n", 50) + "0\r\n\r\n";
  ChunkedDecoder decoder(Mode::verbatim, Side::client);
  ChunkedDecoder::Output output;
  ASSERT_EQ(decoder.feed(message, output), State::more);
  EXPECT_LE(output.count, ChunkedDecoder::kMaxPieces);
  EXPECT_LT(output.consumed, message.size());
  const Decoded decoded = decode(Mode::verbatim, message);
  EXPECT_EQ(decoded.state, State::complete);
  EXPECT_EQ(decoded.out, repeat("1\r\nx\r\n", 50) + "0\r\n\r\n");
}

TEST(ChunkedDecoder, DataModeGivesTheDataAlone) {
  const Decoded decoded =
      decode(Mode::data, "5\r\nhello\r\n6;x\r\n world\r\n0\r\nX-T: 1\r\n\r\nGET");
  EXPECT_EQ(decoded.state, State::complete);
  EXPECT_EQ(decoded.out, "hello world");
  EXPECT_EQ(decoded.consumed, 36U);
}

struct Malformed {
  std::string_view situation;
  std::string_view coding;
};
const Malformed kMalformed[] = {
    {"no size", "\r\nhello\r\n"},
    {"size with 0x", "0x5\r\nhello\r\n"},
    {"size with a sign", "-5\r\nhello\r\n"},
    {"space before the size", " 5\r\nhello\r\n"},
    {"tab before the size", "\t5\r\nhello\r\n"},
    {"space after the size", "5 \r\nhello\r\n"},
    {"16 digits", "0000000000000005\r\nhello\r\n"},
    {"17 digits", "FFFFFFFFFFFFFFFFF\r\nhello\r\n"},
    {"junk after the size", "5g\r\nhello\r\n"},
    {"size ends with LF", "5\nhello\r\n"},
    {"size ends with CR", "5\rhello\r\n"},
    {"size ends with CR CR LF", "5\r\r\nhello\r\n"},
    {"data too long", "5\r\nhelloo\r\n"},
    {"data ends with LF", "5\r\nhello\n0\r\n\r\n"},
    {"data ends with CR alone", "5\r\nhello\r0\r\n\r\n"},
    {"empty extension name", "5;\r\nhello\r\n"},
    {"extension without name", "5;=x\r\nhello\r\n"},
    {"extension without value", "5;a=\r\nhello\r\n"},
    {"extension with a space in its name", "5;a b\r\nhello\r\n"},
    {"space after an extension", "5;a \r\nhello\r\n"},
    {"LF in an extension", "5;a\nb\r\nhello\r\n"},
    {"CR in an extension", "5;a\rb\r\nhello\r\n"},
    {"open quote", "5;a=\"b\r\nhello\r\n"},
    {"CRLF in quotes", "5;a=\"\r\n\"\r\nhello\r\n"},
    {"escaped CR in quotes", "5;a=\"\\\r\"\r\nhello\r\n"},
    {"DEL in quotes", "5;a=\"\x7f\"\r\nhello\r\n"},
    {"text after quotes", "5;a=\"b\"c\r\nhello\r\n"},
    {"trailer without colon", "0\r\nno colon here\r\n\r\n"},
    {"trailer without name", "0\r\n: x\r\n\r\n"},
    {"space before the colon of a trailer", "0\r\nX-T : 1\r\n\r\n"},
    {"folded trailer", "0\r\nX-T: 1\r\n 2\r\n\r\n"},
    {"LF alone in trailers", "0\r\nX-T: 1\n\r\n"},
    {"control byte in a trailer", "0\r\nX-T: \x01\r\n\r\n"},
    {"CR alone in trailers", "0\r\nX-T: a\rb\r\n\r\n"},
    {"CR alone after the last chunk", "0\r\n\rX"},
    {"request line as a trailer", "0\r\nGET / HTTP/1.1\r\n\r\n"},
};

TEST(ChunkedDecoder, MalformedCodingIsRefusedAndNothingOfThatCallIsGiven) {
  for (const Malformed& row : kMalformed) {
    SCOPED_TRACE(row.situation);
    const Decoded client = decode(Mode::verbatim, row.coding);
    EXPECT_EQ(client.state, State::failed);
    EXPECT_EQ(client.refusal.status, 400);
    EXPECT_EQ(client.out, "");
    EXPECT_EQ(decode(Mode::data, row.coding, {}, Side::upstream).refusal.status, 502);
  }
}

// What came before the fault in the same call could go on; but then whether it does would depend on
// how the message was cut.
TEST(ChunkedDecoder, CallThatFailsGivesNothingEvenOfWhatCameBefore) {
  EXPECT_EQ(decode(Mode::verbatim, "1;a\r\nx\r\n1;a\r\nx\r\noops").out, "");
  EXPECT_EQ(decode(Mode::data, "1\r\nx\r\noops").out, "");
}

struct Limit {
  std::string_view situation;
  std::string coding;
  int status;  // 0: accepted
};

TEST(ChunkedDecoder, WhatIsNotDataIsBounded) {
  const std::string fields = repeat("X-T: 1\r\n", 32);
  const Limit limits[] = {
      {"15 digits", "00000000000000a\r\n0123456789\r\n0\r\n\r\n", 0},
      {"extension of 1024 bytes", "1;" + repeat("x", 1023) + "\r\na\r\n0\r\n\r\n", 0},
      {"extension of 1025 bytes", "1;" + repeat("x", 1024) + "\r\na\r\n0\r\n\r\n", 413},
      {"many small extensions", repeat("1;" + repeat("y", 99) + "\r\na\r\n", 200) + "0\r\n\r\n",
       413},
      {"as many beside much data",
       repeat("80;" + repeat("y", 99) + "\r\n" + repeat("d", 128) + "\r\n", 2000) + "0\r\n\r\n", 0},
      {"32 trailer fields", "0\r\n" + fields + "\r\n", 0},
      {"33 trailer fields", "0\r\n" + fields + "Y: 1\r\n\r\n", 431},
      {"trailers of 8 KiB", "0\r\nX: " + repeat("t", 8192 - 7) + "\r\n\r\n", 0},
      {"a byte more", "0\r\nX: " + repeat("t", 8192 - 6) + "\r\n\r\n", 431},
  };
  for (const Limit& row : limits) {
    SCOPED_TRACE(row.situation);
    const Decoded decoded = decode(Mode::verbatim, row.coding, {777, 1, 5000});
    EXPECT_EQ(decoded.refusal.status, row.status);
    EXPECT_EQ(decoded.state, row.status == 0 ? State::complete : State::failed);
  }
}

struct Trailer {
  std::string_view name;
  bool passes;
};
constexpr Trailer kTrailers[] = {
    {"X-Checksum", true},
    {"grpc-status", true},
    {"Server-Timing", true},
    {"ETag", true},
    {"Host", false},
    {"Content-Length", false},
    {"TRANSFER-ENCODING", false},
    {"Trailer", false},
    {"TE", false},
    {"Connection", false},
    {"Keep-Alive", false},
    {"Proxy-Anything", false},
    {"Content-Anything", false},
    {"Authorization", false},
    {"WWW-Authenticate", false},
    {"Cookie", false},
    {"Set-Cookie", false},
    {"Set-Cookie2", false},
    {"Location", false},
    {"X-Forwarded-For", false},
    {"X-Forwarded-New", false},
    {"X-Original-URL", false},
    {"X-SSL-Client-DN", false},
    {"Client-Cert", false},
    {"X_Checksum", false},
    {"If-Match", false},
    {"Range", false},
    {"Expect", false},
    {"Max-Forwards", false},
    {"Cache-Control", false},
    {"Via", false},
    {"Upgrade", false},
    {"Access-Control-Allow-Origin", false},
    {"X-HTTP-Method-Override", false},
};

TEST(TrailerSection, FieldsThatSteerTheMessageAreDroppedAndOthersPass) {
  for (const Trailer& row : kTrailers) {
    SCOPED_TRACE(row.name);
    const std::string line = std::string(row.name) + ": 1\r\n";
    const Decoded decoded =
        decode(Mode::verbatim, "1\r\na\r\n0\r\nX-A: 0\r\n" + line + "X-Z: 9\r\n\r\n");
    ASSERT_EQ(decoded.state, State::complete);
    EXPECT_EQ(decoded.out,
              "1\r\na\r\n0\r\nX-A: 0\r\n" + (row.passes ? line : "") + "X-Z: 9\r\n\r\n");
  }
}

}  // namespace
}  // namespace ocsproxy::test
