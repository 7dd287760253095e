// What a probe reads out of a challenge, which anybody may have made.
#include "check/live/ntlm_messages.h"

#include <vector>

#include <gtest/gtest.h>

#include "tls/openssl.h"

namespace ocsproxy {
namespace {

std::string base64(std::string_view bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');
  text.resize(static_cast<std::size_t>(
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), as_bytes(bytes).data(),
                      static_cast<int>(bytes.size()))));
  return text;
}

std::string bytes_of(std::string_view base64) {
  std::string bytes(base64.size() / 4 * 3, '\0');
  EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()), as_bytes(base64).data(),
                  static_cast<int>(base64.size()));
  return bytes;
}

// Type 2 with this target info at offset 48.
std::string challenge(std::string_view info, unsigned char size, unsigned char offset = 48) {
  std::string message("NTLMSSP\0\2\0\0\0", 12);
  message.resize(48);
  message[40] = message[42] = static_cast<char>(size);
  message[44] = static_cast<char>(offset);
  return message.append(info);
}

// The pairs "domain D", "computer FE1" and the end.
constexpr std::string_view kInfo("\2\0\2\0D\0\1\0\6\0F\0E\0001\0\0\0\0\0", 20);

TEST(NtlmComputer, IsReadFromAChallenge) {
  struct Row {
    std::string what;
    std::string message;
    std::optional<std::string> computer;
  };
  const std::vector<Row> rows{
      {"as servers send it", challenge(kInfo, 20), "FE1"},
      {"without target info", challenge("", 0), ""},
      {"info without a computer", challenge(kInfo.substr(0, 6), 6), ""},
      {"info that is longer than the message", challenge(kInfo, 200), ""},
      {"info that begins behind the message", challenge(kInfo, 20, 200), ""},
      {"a pair that is longer than the info", challenge(kInfo, 12), ""},
      {"a name that would change the terminal", challenge({"\1\0\2\0\x1b\0", 6}, 6), "\\x1b"},
      {"a first message", bytes_of(ntlm_first_message()), std::nullopt},
      {"a last message", bytes_of(ntlm_last_message()), std::nullopt},
      {"another protocol", std::string(48, 'x'), std::nullopt},
      {"nothing", "", std::nullopt},
  };
  for (const Row& row : rows)
    EXPECT_EQ(ntlm_computer(base64(row.message)), row.computer) << row.what;
  EXPECT_EQ(ntlm_computer("no base64!!!"), std::nullopt);
}

TEST(NtlmComputer, StandsEveryCutAndEveryByte) {
  const std::string whole = challenge(kInfo, 20);
  for (std::size_t at = 0; at < whole.size(); ++at) {
    (void)ntlm_computer(base64(whole.substr(0, at)));
    for (int value = 0; value < 256; ++value) {
      std::string changed = whole;
      changed[at] = static_cast<char>(value);
      (void)ntlm_computer(base64(changed));
    }
  }
}

}  // namespace
}  // namespace ocsproxy
