#include "lab/authentication.h"

#include <gtest/gtest.h>

#include "lab/spnego.h"
#include "test/lab/bytes.h"
#include "test/lab/ntlm_client.h"

namespace ocsproxy::lab {
namespace {

using Step = Authentication::Step;

class AuthenticationTest : public testing::Test {
 protected:
  // The challenge that a connection gives.
  std::string challenge(Authentication& connection) {
    const auto outcome = connection.accept(ntlm_negotiate());
    EXPECT_EQ(outcome.step, Step::challenged);
    return outcome.fields.empty() ? "" : outcome.fields.front();
  }
  std::string answer(const std::string& to, std::string_view user = "alice",
                     std::string_view password = kLabPassword,
                     std::string_view domain = kLabDomain) {
    return ntlm_answer(library_, to, domain, user, password);
  }

  Library library_;
  Authentication connection_{library_};
  Authentication another_{library_};
};

TEST_F(AuthenticationTest, WithoutCredentialsBothSchemesAreOffered) {
  for (const char* credentials : {"", "Basic YWxpY2U6cGFzc3dvcmQ=", "NTLM", "NTLM !!!!",
                                  "Negotiate YIIFQQYGKwYBBQUC", "NTLM TlRMTVNTUAAJAAAA"}) {
    const auto outcome = connection_.accept(credentials);
    EXPECT_EQ(outcome.step, Step::offered) << credentials;
    EXPECT_EQ(outcome.fields, (std::vector<std::string>{"Negotiate", "NTLM"})) << credentials;
  }
}

TEST_F(AuthenticationTest, TwoLegsLogTheConnectionIn) {
  const auto outcome = connection_.accept(answer(challenge(connection_)));
  EXPECT_EQ(outcome.step, Step::authenticated);
  EXPECT_EQ(connection_.user(), "CONTOSO\\alice");
  EXPECT_EQ(connection_.accept("").step, Step::remembered);
}

TEST_F(AuthenticationTest, WhoMayLogIn) {
  struct Row {
    const char* domain;
    const char* user;
    const char* password;
    const char* expected;  // "" when refused
  };
  const std::vector<Row> rows = {
      {"CONTOSO", "alice", "password", "CONTOSO\\alice"},
      {"contoso", "ALICE", "password", "CONTOSO\\alice"},
      {"", "bob@contoso.com", "password", "CONTOSO\\bob"},
      {"", "carol", "password", "CONTOSO\\carol"},
      {"CONTOSO", "user17", "password", "CONTOSO\\user17"},
      {"CONTOSO", "alice", "Password", ""},
      {"CONTOSO", "alice", "", ""},
      {"CONTOSO", "mallory", "password", ""},
      {"CONTOSO", "", "password", ""},
      {"CONTOSO", "user10000", "password", ""},
      {"FABRIKAM", "alice", "password", ""},
      {"", "alice@fabrikam.com", "password", ""},
  };
  for (const Row& row : rows) {
    Authentication connection(library_);
    const auto outcome =
        connection.accept(answer(challenge(connection), row.user, row.password, row.domain));
    const bool expected = row.expected[0] != '\0';
    EXPECT_EQ(outcome.step, expected ? Step::authenticated : Step::refused)
        << row.domain << '\\' << row.user;
    EXPECT_EQ(connection.user(), row.expected);
  }
}

TEST_F(AuthenticationTest, AnAnswerReplayedOnAnotherConnectionIsRefused) {
  const std::string good = answer(challenge(connection_));
  challenge(another_);
  EXPECT_EQ(another_.accept(good).step, Step::refused);
  EXPECT_EQ(another_.user(), "");
  EXPECT_EQ(connection_.accept(good).step, Step::authenticated) << "it was good where it belongs";
}

TEST_F(AuthenticationTest, AnAnswerWithoutAChallengeIsRefused) {
  EXPECT_EQ(another_.accept(answer(challenge(connection_))).step, Step::refused);
}

TEST_F(AuthenticationTest, AChallengeIsGoodForOneAnswer) {
  const std::string asked = challenge(connection_);
  EXPECT_EQ(connection_.accept(answer(asked, "alice", "wrong")).step, Step::refused);
  EXPECT_EQ(connection_.accept(answer(asked)).step, Step::refused);
}

TEST_F(AuthenticationTest, ARequestBetweenTheLegsEndsTheHandshake) {
  const std::string asked = challenge(connection_);
  EXPECT_EQ(connection_.accept("").step, Step::offered);
  EXPECT_EQ(connection_.accept(answer(asked)).step, Step::refused);
}

TEST_F(AuthenticationTest, NoTwoChallengesAreTheSame) {
  EXPECT_NE(challenge_in(challenge(connection_)), challenge_in(challenge(connection_)));
}

TEST_F(AuthenticationTest, AFailedSecondLoginLeavesTheFirstUserInPlace) {
  connection_.accept(answer(challenge(connection_)));
  EXPECT_EQ(connection_.accept(answer(challenge(connection_), "bob", "wrong")).step, Step::refused);
  EXPECT_EQ(connection_.user(), "CONTOSO\\alice");
  EXPECT_EQ(connection_.accept(answer(challenge(connection_), "bob")).step, Step::authenticated);
  EXPECT_EQ(connection_.user(), "CONTOSO\\bob");
}

// A NegTokenInit with NTLM as its only mechanism, as a Windows client without a ticket sends it.
TEST_F(AuthenticationTest, NtlmInsideNegotiateIsAnsweredInsideNegotiate) {
  const Bytes first = from_hex(
      "6040 06062b0601050502 a036 3034 a00e 300c 060a2b06010401823702020a"
      "a222 0420 4e544c4d53535000 01000000 97820862 0000000000000000 0000000000000000");
  const auto outcome = connection_.accept("Negotiate " + encode_base64(first));
  ASSERT_EQ(outcome.step, Step::challenged);
  const std::string& field = outcome.fields.front();
  ASSERT_TRUE(field.starts_with("Negotiate "));
  const auto token = decode_base64(field.substr(10));
  ASSERT_TRUE(token);
  EXPECT_EQ(token->front(), 0xa1) << "a NegTokenResp";
  const auto message = ntlm_inside(*token);
  const std::string raw = "NTLM " + encode_base64(message);
  const auto reply = decode_base64(answer(raw).substr(5));
  Bytes wrapped = from_hex("a182 0000 3082 0000 a282 0000 0482 0000");
  wrapped.insert(wrapped.end(), reply->begin(), reply->end());
  const auto end = connection_.accept("Negotiate " + encode_base64(wrapped));
  EXPECT_EQ(end.step, Step::authenticated);
  EXPECT_EQ(end.fields, std::vector<std::string>{"Negotiate oQcwBaADCgEA"});
}

TEST(Base64, IsRead) {
  EXPECT_EQ(encode_base64(as_bytes("ab")), "YWI=");
  EXPECT_EQ(decode_base64("YWI="), (Bytes{'a', 'b'}));
  for (const char* bad : {"", "YWI", "Y\xffI=", "===="}) EXPECT_FALSE(decode_base64(bad)) << bad;
}

}  // namespace
}  // namespace ocsproxy::lab
