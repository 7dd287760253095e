#include "base/ip_address.h"

#include <array>

namespace ocsproxy {
namespace {

struct Text {
  std::string_view parsed;
  std::string_view written;
};

TEST(IpAddress, IsWrittenInItsCanonicalForm) {
  constexpr Text kRows[] = {
      {"0.0.0.0", "0.0.0.0"},
      {"198.51.100.7", "198.51.100.7"},
      {"255.255.255.255", "255.255.255.255"},
      {"::", "::"},
      {"::1", "::1"},
      {"2001:DB8::0:1", "2001:db8::1"},
      {"2001:db8:1111:2222:3333:4444:5555:6666", "2001:db8:1111:2222:3333:4444:5555:6666"},
  };
  for (const Text& row : kRows) {
    const auto address = IpAddress::parse(row.parsed);
    ASSERT_TRUE(address) << row.parsed;
    std::array<char, IpAddress::kTextSize> buffer;
    EXPECT_EQ(address->write(buffer), row.written);
    EXPECT_EQ(address->to_string(), row.written);
    EXPECT_EQ(IpAddress::parse(row.written), address);
  }
}

TEST(IpAddress, TextsThatTwoReadersCouldReadDifferentlyAreNone) {
  for (const std::string_view text :
       {"", "1", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.4 ", "0x7f.1", "127.1",
        "[::1]", "::ffff:192.0.2.1", "fe80::1%eth0", ":::", "1.2.3.4/8"}) {
    EXPECT_FALSE(IpAddress::parse(text)) << text;
  }
}

}  // namespace
}  // namespace ocsproxy
