#include "proxy/local_reply.h"

#include "proxy/framing.h"
#include "proxy/head_parser.h"

namespace ocsproxy {
namespace {

struct Read {
  ResponseHead head;
  ResponseFraming framing;
  std::string_view body;
};

// The reply as a client reads it; views into `text`.
Read read(std::string_view text, Method method) {
  Read result;
  HeadProgress progress;
  const HeadOutcome outcome = parse_response_head(text, progress, result.head);
  EXPECT_EQ(outcome.state, HeadOutcome::State::complete) << text;
  EXPECT_FALSE(response_framing(result.head, {.method = method}, result.framing));
  result.body = text.substr(outcome.size);
  return result;
}

class LocalReplyTest : public testing::Test {
 protected:
  std::string_view write(const LocalReply& reply) { return write_local_reply(reply, buffer_); }
  std::array<char, kLocalReplyBytes> buffer_;
};

TEST_F(LocalReplyTest, DenialIsACompleteMessageWithItsCodeAndRequestId) {
  LocalReply reply{.what = policy_denial(), .request_id = "a1-42"};
  reply.keep_alive = true;
  const Read got = read(write(reply), Method::get);
  EXPECT_EQ(got.head.status, 403);
  EXPECT_EQ(got.framing.length, got.body.size());
  EXPECT_TRUE(got.framing.keep_alive);
  EXPECT_EQ(got.head.fields.value(FieldId::cache_control), "no-store");
  EXPECT_EQ(got.head.fields.value(FieldId::x_request_id), "a1-42");
  EXPECT_THAT(std::string(got.body), testing::HasSubstr("(12202)"));
  EXPECT_THAT(std::string(got.body), testing::HasSubstr("a1-42"));
}

TEST_F(LocalReplyTest, ReplyThatEndsTheConnectionSaysSo) {
  const Read got = read(write({.what = failure_of(400)}), Method::get);
  EXPECT_EQ(got.head.fields.value(FieldId::connection), "close");
  EXPECT_FALSE(got.framing.keep_alive);
}

TEST_F(LocalReplyTest, RefusalForNowSaysWhenToComeAgainAndNoOtherDoes) {
  const Read later = read(write({.what = failure_of(429), .retry_after = 17}), Method::get);
  EXPECT_EQ(later.head.fields.value(FieldId::retry_after), "17");
  const Read never = read(write({.what = failure_of(403)}), Method::get);
  EXPECT_EQ(never.head.fields.count(FieldId::retry_after), 0U);
}

TEST_F(LocalReplyTest, AnswerToHeadHasTheLengthOfThePageAndNoPage) {
  const std::size_t page = read(write({.what = failure_of(502)}), Method::get).body.size();
  const Read got = read(write({.what = failure_of(502), .head_only = true}), Method::head);
  EXPECT_EQ(got.body, "");
  EXPECT_EQ(got.framing.length, page);
  EXPECT_GT(page, 0U);
}

TEST_F(LocalReplyTest, RedirectHasItsLocationInTheHeadAlone) {
  const std::string location = "https://ocsweb.contoso.com/a?b=%0d%0a";
  const Read got = read(write({.what = {.status = 302}, .location = location}), Method::get);
  EXPECT_EQ(got.head.status, 302);
  EXPECT_EQ(got.head.fields.value(FieldId::location), location);
  EXPECT_EQ(got.body.find("contoso"), std::string_view::npos);
}

TEST_F(LocalReplyTest, OptionalFieldsStandOnlyWhereGiven) {
  const Read bare = read(write({.what = failure_of(405)}), Method::get);
  EXPECT_FALSE(bare.head.fields.has(FieldId::date));
  const Read full = read(
      write(
          {.what = failure_of(405), .date = "Sun, 06 Nov 1994 08:49:37 GMT", .allow = "GET, HEAD"}),
      Method::get);
  EXPECT_EQ(full.head.fields.value(FieldId::date), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(full.head.fields.size(), bare.head.fields.size() + 2);
}

TEST_F(LocalReplyTest, LocationThatCouldSplitTheResponseIsNotSent) {
  for (const std::string_view location : {"https://a/\r\nSet-Cookie: x", "https://a/ b",
                                          "https://a/\x01", "https://a/\xc3\xa4", "https://a/<"}) {
    EXPECT_EQ(write({.what = {.status = 302}, .location = location}), "") << location;
  }
}

TEST_F(LocalReplyTest, NothingIsWrittenForAClientThatIsGone) {
  EXPECT_EQ(write({.what = {.status = 0}}), "");
}

TEST_F(LocalReplyTest, BufferThatIsTooSmallGivesNothingInsteadOfAPart) {
  const std::string whole(write({.what = failure_of(504), .request_id = "r"}));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    std::vector<char> small(size);
    ASSERT_EQ(write_local_reply({.what = failure_of(504), .request_id = "r"}, small), "");
  }
}

TEST_F(LocalReplyTest, EachStatusOfAnErrorHasAPhraseAndASentence) {
  for (const std::uint16_t status :
       {400, 403, 405, 408, 413, 414, 417, 421, 429, 431, 500, 501, 502, 503, 504, 505, 508}) {
    EXPECT_NE(reason_phrase(status), "") << status;
    EXPECT_NE(failure_of(status).reason, "") << status;
  }
}

TEST_F(LocalReplyTest, LongestLocationThatIsPromisedFits) {
  const std::string location = "https://a/" + std::string(16 * 1024 - 10, 'a');
  EXPECT_NE(
      write({.what = {.status = 302}, .request_id = std::string(64, 'r'), .location = location}),
      "");
}

}  // namespace
}  // namespace ocsproxy
