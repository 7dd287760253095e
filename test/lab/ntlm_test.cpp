#include "lab/ntlm.h"

#include <gtest/gtest.h>

#include "test/lab/bytes.h"

namespace ocsproxy::lab {
namespace {

// The published example: MS-NLMP 4.2.1 (common values) and 4.2.4 (NTLMv2).
constexpr Challenge kChallenge = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef};
constexpr std::string_view kBlob =
    "01010000 00000000 0000000000000000 aaaaaaaaaaaaaaaa 00000000"
    "02000c00 44006f006d00610069006e00 01000c00 530065007200760065007200 00000000 00000000";
constexpr std::string_view kAuthenticate =
    "4e544c4d53535000 03000000 18001800 6c000000 54005400 84000000 0c000c00 48000000"
    "08000800 54000000 10001000 5c000000 10001000 d8000000 358288e2 0501280a 0000000f"
    "44006f006d00610069006e00 5500730065007200 43004f004d0050005500540045005200"
    "86c35097ac9cec102554764a57cccc19 aaaaaaaaaaaaaaaa"
    "68cd0ab851e51c96aabc927bebef6a1c"
    "01010000 00000000 0000000000000000 aaaaaaaaaaaaaaaa 00000000"
    "02000c00 44006f006d00610069006e00 01000c00 530065007200760065007200 00000000 00000000"
    "c5dad2544fc9799094ce1ce90bc9d03e";

TEST(Ntlm, MakesTheKeysOfThePublishedExample) {
  const Library library;
  EXPECT_EQ(to_hex(ntowf_v1("Password")), "a4f49c406510bdcab6824ee7c30fd852");
  EXPECT_EQ(to_hex(ntowf_v2(library, "User", "Domain", "Password")),
            "0c868a403bfd7a93a3001ef22ef02e3f");
}

TEST(Ntlm, MakesTheProofOfThePublishedExample) {
  const Library library;
  const Digest128 key = ntowf_v2(library, "User", "Domain", "Password");
  EXPECT_EQ(to_hex(nt_proof(library, key, kChallenge, from_hex(kBlob))),
            "68cd0ab851e51c96aabc927bebef6a1c");
}

TEST(Ntlm, TheUsersCaseDoesNotMatterAndTheDomainsDoes) {
  const Library library;
  EXPECT_EQ(ntowf_v2(library, "uSER", "Domain", "p"), ntowf_v2(library, "User", "Domain", "p"));
  EXPECT_NE(ntowf_v2(library, "User", "DOMAIN", "p"), ntowf_v2(library, "User", "Domain", "p"));
}

TEST(AuthenticateMessage, OfThePublishedExampleProvesItsPasswordForItsChallengeOnly) {
  const Library library;
  const auto message = AuthenticateMessage::parse(from_hex(kAuthenticate));
  ASSERT_TRUE(message);
  EXPECT_EQ(message->user, "User");
  EXPECT_EQ(message->domain, "Domain");
  EXPECT_TRUE(message->proves(library, "Password", kChallenge));
  EXPECT_FALSE(message->proves(library, "password", kChallenge));
  Challenge other = kChallenge;
  other[7] ^= 1;
  EXPECT_FALSE(message->proves(library, "Password", other));
}

TEST(AuthenticateMessage, WhoseFieldsLeadOutsideOfItIsRefused) {
  const Bytes good = from_hex(kAuthenticate);
  ASSERT_TRUE(AuthenticateMessage::parse(good));
  struct Row {
    const char* what;
    std::size_t at;
    unsigned char value;
  };
  const std::vector<Row> rows = {
      {"the response's length", 21, 0xff}, {"the response's offset", 24 + 3, 0x80},
      {"the domain's length", 29, 0xff},   {"the domain's offset", 32 + 3, 0xff},
      {"the user's length", 37, 0xff},     {"the user's offset", 40 + 1, 0xff},
      {"the signature", 0, 'n'},           {"the type", 8, 2},
  };
  for (const Row& row : rows) {
    Bytes bad = good;
    bad[row.at] = row.value;
    EXPECT_FALSE(AuthenticateMessage::parse(bad)) << row.what;
  }
}

TEST(AuthenticateMessage, IsRefusedWhereverItIsCutBeforeItsResponseEnds) {
  const Bytes good = from_hex(kAuthenticate);
  const std::size_t response_end = 0x84 + 0x54;
  for (std::size_t size = 0; size < response_end; ++size) {
    EXPECT_FALSE(AuthenticateMessage::parse(std::span(good).first(size))) << size;
  }
}

TEST(AuthenticateMessage, OfNtlm1IsRefused) {
  Bytes old = from_hex(kAuthenticate);
  old[20] = old[22] = 24;  // the length of an NTLMv1 response
  EXPECT_FALSE(AuthenticateMessage::parse(old));
}

TEST(ChallengeMessage, CarriesTheChallengeTheNamesAndWhatTheClientCanDo) {
  ChallengeMessage message{kChallenge, "CONTOSO", "OCSPOOL", {}};
  const Bytes unicode = message.encode(0x00000001 | 0x00080000);
  ASSERT_GE(unicode.size(), 56u + 14u);
  EXPECT_TRUE(std::equal(kChallenge.begin(), kChallenge.end(), unicode.begin() + 24));
  EXPECT_EQ(unicode[20] & 3, 1) << "Unicode was offered";
  EXPECT_EQ(unicode[22] & 0x08, 0x08) << "extended session security was offered";
  EXPECT_EQ(Bytes(unicode.begin() + 56, unicode.begin() + 70), utf16("CONTOSO"));

  const Bytes oem = message.encode(0x00000002);
  EXPECT_EQ(oem[20] & 3, 2) << "only OEM was offered";
  EXPECT_EQ(std::string(oem.begin() + 56, oem.begin() + 63), "CONTOSO");
}

TEST(Utf16, KnowsEveryPlaneAndReplacesWhatIsNotUtf8) {
  const std::vector<std::pair<std::string, std::string>> rows = {
      {"A", "4100"},
      {"\xc3\xa9", "e900"},
      {"\xe2\x82\xac", "ac20"},
      {"\xf0\x9f\x98\x80", "3dd800de"},
      {"\xff", "fdff"},
      {"\xc3", "fdff"},
      {"\xe2\x82", "fdfffdff"},
  };
  for (const auto& [text, hex] : rows) EXPECT_EQ(to_hex(utf16(text)), hex);
}

}  // namespace
}  // namespace ocsproxy::lab
