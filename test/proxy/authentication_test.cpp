#include "proxy/authentication.h"

#include <array>

#include "proxy/head_parser.h"

namespace ocsproxy {
namespace {

RequestHead request(std::string& text, const std::vector<std::string_view>& authorizations) {
  text = "GET / HTTP/1.1\r\nHost: a\r\n";
  for (const std::string_view value : authorizations) {
    text.append("Authorization: ").append(value).append("\r\n");
  }
  text += "\r\n";
  RequestHead head;
  HeadProgress progress;
  EXPECT_EQ(parse_request_head(text, progress, head).state, HeadOutcome::State::complete) << text;
  return head;
}

struct Credentials {
  std::string_view value;
  bool of_the_connection;
};

TEST(RequestAuthenticatesConnection, EverySchemeThatIsNotKnownToAuthenticateItsRequest) {
  constexpr Credentials kRows[] = {
      {"Basic dXNlcjpwYXNz", false},
      {"bAsIc   dXNlcjpwYXNz", false},
      {"Basic dXNlcg==", false},
      {"Bearer abc.def-ghi_~+/==", false},
      {"Digest username=\"a\", realm=\"b, c\", nonce=\"\\\"\", uri=\"/\", qop=auth, nc=00000001",
       false},
      {"Digest username = \"a\" ,,response=\"x\"", false},
      {"NTLM TlRMTVNTUAABAAAA", true},
      {"ntlm TlRMTVNTUAABAAAA", true},
      {"Negotiate YIIJvw==", true},
      {"Negotiate", true},
      {"Kerberos abc", true},
      {"AWS4-HMAC-SHA256 Credential=a", true},
      {"OAuth a=b", true},
      {"BasicX abc", true},
      {"Basic-NTLM abc", true},
      // Malformed: who knows what the site makes of it.
      {"", true},
      {"Basic", true},
      {"Basic,NTLM abc", true},
      {"Basic abc, NTLM TlRM", true},
      {"Basic abc,", true},
      {"Basic abc def", true},
      {"Basic \"abc\"", true},
      {"Basic/abc", true},
      {"Bearer a=b=c", true},
      {"Bearer tok,en", true},
      {"Digest", true},
      {"Digest abc", true},
      {"Digest a=\"b", true},
      {"Digest a=b, NTLM", true},
      {"Digest a=b, NTLM TlRM", true},
      {"Digest a=b c=d", true},
      {", Basic abc", true},
      {"\"Basic\" abc", true},
      {"=", true},
  };
  for (const Credentials& row : kRows) {
    std::string text;
    EXPECT_EQ(request_authenticates_connection(request(text, {row.value})), row.of_the_connection)
        << row.value;
  }
}

TEST(RequestAuthenticatesConnection, NoCredentialsAuthenticateNothing) {
  std::string text;
  EXPECT_FALSE(request_authenticates_connection(request(text, {})));
}

TEST(RequestAuthenticatesConnection, TwoFieldsAreNeverHarmless) {
  std::string text;
  EXPECT_TRUE(request_authenticates_connection(request(text, {"Basic YQ==", "Basic YQ=="})));
  EXPECT_TRUE(request_authenticates_connection(request(text, {"Basic YQ==", "NTLM YQ=="})));
}

struct Challenge {
  std::string_view situation;
  std::string_view status;
  std::string_view fields;
  bool of_the_connection;
};

TEST(ResponseOffersConnectionAuthentication, EveryDoubtCounts) {
  constexpr Challenge kRows[] = {
      {"nothing", "200 OK", "", false},
      {"401 without a challenge", "401 U", "", false},
      {"Basic", "401 U", "WWW-Authenticate: Basic realm=\"a\"\r\n", false},
      {"Basic alone", "401 U", "WWW-Authenticate: basic\r\n", false},
      {"Digest", "401 U",
       "WWW-Authenticate: Digest realm=\"a, NTLM\", qop=\"auth,auth-int\", nonce=abc, "
       "stale=FALSE\r\n",
       false},
      {"Bearer", "401 U", "WWW-Authenticate: Bearer realm=\"a\", error=\"invalid_token\"\r\n",
       false},
      {"two in one field", "401 U", "WWW-Authenticate: Basic realm=a, Digest realm=b, nonce=c\r\n",
       false},
      {"two in two fields", "401 U",
       "WWW-Authenticate: Basic realm=a\r\nWWW-Authenticate: Bearer\r\n", false},
      {"empty elements", "401 U", "WWW-Authenticate: , Basic realm=a ,, Bearer ,\r\n", false},
      {"a quoted quote", "401 U", "WWW-Authenticate: Basic realm=\"a\\\", NTLM\"\r\n", false},
      {"token68", "401 U", "WWW-Authenticate: Bearer abc==\r\n", false},
      {"NTLM", "401 U", "WWW-Authenticate: NTLM\r\n", true},
      {"NTLM in any case", "401 U", "www-authenticate: ntlm\r\n", true},
      {"the second leg", "401 U", "WWW-Authenticate: NTLM TlRMTVNTUAACAAAA==\r\n", true},
      {"Negotiate after Basic", "401 U",
       "WWW-Authenticate: Basic realm=\"a\"\r\nWWW-Authenticate: Negotiate\r\n", true},
      {"in one field", "401 U", "WWW-Authenticate: Basic realm=\"a\", Negotiate\r\n", true},
      {"in one field without a space", "401 U", "WWW-Authenticate: Basic realm=\"a\",NTLM\r\n",
       true},
      {"first of one field", "401 U", "WWW-Authenticate: Negotiate, Basic realm=a\r\n", true},
      {"after an alone scheme", "401 U", "WWW-Authenticate: Basic, NTLM\r\n", true},
      {"after a token", "401 U", "WWW-Authenticate: Bearer abc==, NTLM\r\n", true},
      {"an unknown scheme", "401 U", "WWW-Authenticate: Fancy realm=a\r\n", true},
      {"with a 200", "200 OK", "WWW-Authenticate: Negotiate oRQwEqADCgEA\r\n", true},
      {"empty", "401 U", "WWW-Authenticate:\r\n", true},
      {"only a comma", "401 U", "WWW-Authenticate: ,\r\n", true},
      {"a parameter of nothing", "401 U", "WWW-Authenticate: realm=\"a\"\r\n", true},
      {"an open quote", "401 U", "WWW-Authenticate: Basic realm=\"a, NTLM\r\n", true},
      {"an open escape", "401 U", "WWW-Authenticate: Basic realm=\"a\\\r\n", true},
      {"a space too many", "401 U", "WWW-Authenticate: Basic realm=a b\r\n", true},
      {"two schemes without comma", "401 U", "WWW-Authenticate: Basic NTLM x\r\n", true},
      {"a slash for a space", "401 U", "WWW-Authenticate: Basic/realm\r\n", true},
      {"Persistent-Auth", "200 OK", "Persistent-Auth: true\r\n", true},
      {"Persistent-Auth in any case", "200 OK", "persistent-auth: TRUE\r\n", true},
      {"Persistent-Auth that nobody knows", "200 OK", "Persistent-Auth: maybe\r\n", true},
      {"Persistent-Auth denied", "200 OK", "Persistent-Auth: false\r\n", false},
  };
  for (const Challenge& row : kRows) {
    const std::string text = "HTTP/1.1 " + std::string(row.status) + "\r\n" +
                             std::string(row.fields) + "Content-Length: 0\r\n\r\n";
    ResponseHead head;
    HeadProgress progress;
    ASSERT_EQ(parse_response_head(text, progress, head).state, HeadOutcome::State::complete);
    EXPECT_EQ(response_offers_connection_authentication(head), row.of_the_connection)
        << row.situation;
  }
}

struct User {
  std::string_view credentials;
  std::string_view user;
};

TEST(ClaimedUser, IsTheNameInBasicCredentials) {
  constexpr User kRows[] = {
      {"Basic dXNlcjpwYXNz", "user"},                               // user:pass
      {"basic  Q09OVE9TT1xqb2U6c2VjcmV0OnRvbw==", "CONTOSO\\joe"},  // with ":" in the password
      {"Basic Onh4", ""},                                           // no name
      {"Basic dXNlcg==", ""},                                       // no ":"
      {"Basic !!!!", ""},
      {"NTLM dXNlcjpwYXNz", ""},
      {"Basic", ""},
      {"Basic YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXo6eA==", "abcdefghijklmnop"},  // cut to the buffer
  };
  for (const User& row : kRows) {
    std::string text;
    std::array<char, 16> buffer;
    EXPECT_EQ(claimed_user(request(text, {row.credentials}), buffer), row.user) << row.credentials;
  }
}

}  // namespace
}  // namespace ocsproxy
