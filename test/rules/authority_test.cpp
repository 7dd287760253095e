#include <array>

#include "rules/canonical_target.h"

namespace ocsproxy::rules {
namespace {

struct ValidRow {
  std::string_view text, name;
  std::uint16_t port;
  bool is_address;
};

class ValidAuthority : public testing::TestWithParam<ValidRow> {};

TEST_P(ValidAuthority, HasThisNameAndPort) {
  std::array<char, kAuthorityBufferSize> buffer{};
  Authority authority;
  ASSERT_TRUE(parse_authority(GetParam().text, buffer, authority)) << GetParam().text;
  EXPECT_EQ(authority.name, GetParam().name);
  EXPECT_EQ(authority.port, GetParam().port);
  EXPECT_EQ(authority.is_address, GetParam().is_address);
}

INSTANTIATE_TEST_SUITE_P(
    All, ValidAuthority,
    testing::Values(ValidRow{"www.example.test", "www.example.test", 0, false},
                    ValidRow{"WWW.Example.TEST", "www.example.test", 0, false},
                    ValidRow{"www.example.test.", "www.example.test", 0, false},
                    ValidRow{"www.example.test.:443", "www.example.test", 443, false},
                    ValidRow{"www.example.test:443", "www.example.test", 443, false},
                    ValidRow{"www.example.test:65535", "www.example.test", 65535, false},
                    ValidRow{"www.example.test:", "www.example.test", 0, false},
                    ValidRow{"pool_1", "pool_1", 0, false},
                    ValidRow{"xn--bcher-kva.test", "xn--bcher-kva.test", 0, false},
                    ValidRow{"127.0.0.1", "127.0.0.1", 0, true},
                    ValidRow{"127.0.0.1:80", "127.0.0.1", 80, true},
                    ValidRow{"127.0.0.1.", "127.0.0.1", 0, true},
                    ValidRow{"127.1", "127.1", 0, false}, ValidRow{"host.1", "host.1", 0, false},
                    ValidRow{"[::1]", "::1", 0, true},
                    ValidRow{"[2001:DB8:0:0::1]:8443", "2001:db8::1", 8443, true}));

class MalformedAuthority : public testing::TestWithParam<std::string_view> {};

TEST_P(MalformedAuthority, IsRefused) {
  std::array<char, kAuthorityBufferSize> buffer{};
  Authority authority;
  EXPECT_FALSE(parse_authority(GetParam(), buffer, authority)) << GetParam();
}

INSTANTIATE_TEST_SUITE_P(
    All, MalformedAuthority,
    testing::Values("", ":443", ".", "..", ".www", "www..test", "www.test..",
                    "www.example.test, evil.test", "www.example.test/x", "www.example.test#x",
                    "www.example.test?x", "www .example.test", " www", "www ", "www\t",
                    std::string_view("www\0.evil.test", 14), "www:8o", "www:70000", "www:65536",
                    "www:0", "www:000443", "www:-1", "www:+1", "www:80:81", "[::1", "::1", "[]",
                    "[::1]x", "[::1]:x", "[127.0.0.1]", "[::ffff:127.0.0.1]", "[fe80::1%eth0]",
                    "[v1.x]", "www%2eexample.test", "*", "*.example.test", "user@www",
                    "b\xc3\xbc"
                    "cher.test",
                    "a'b", "a,b", "a;b", "a\\b", "a\"b"));

TEST(Authority, NameIsBoundedByDns) {
  std::array<char, kAuthorityBufferSize> buffer{};
  Authority authority;
  EXPECT_TRUE(parse_authority(std::string(253, 'A'), buffer, authority));
  EXPECT_TRUE(parse_authority(std::string(252, 'a').append("b."), buffer, authority));
  EXPECT_FALSE(parse_authority(std::string(254, 'a'), buffer, authority));
}

TEST(Authority, LowerCaseNameIsAViewOfTheInput) {
  const std::string_view text = "www.example.test:443";
  Authority authority;
  ASSERT_TRUE(parse_authority(text, {}, authority));
  EXPECT_EQ(authority.name.data(), text.data());
}

TEST(Authority, BufferThatIsTooShortIsNotOverrun) {
  std::array<char, 3> buffer{};
  Authority authority;
  EXPECT_FALSE(parse_authority("WWW.test", buffer, authority));
  EXPECT_FALSE(parse_authority("[::11]", buffer, authority));
  EXPECT_TRUE(parse_authority("[::1]", buffer, authority));
}

}  // namespace
}  // namespace ocsproxy::rules
