#include "lab/ntlm.h"

#include <algorithm>

#include <openssl/crypto.h>

namespace ocsproxy::lab {
namespace {

constexpr std::array<unsigned char, 8> kSignature = {'N', 'T', 'L', 'M', 'S', 'S', 'P', 0};

// MS-NLMP 2.2.2.5
constexpr std::uint32_t kUnicode = 0x00000001;
constexpr std::uint32_t kOem = 0x00000002;
constexpr std::uint32_t kRequestTarget = 0x00000004;
constexpr std::uint32_t kSign = 0x00000010;
constexpr std::uint32_t kNtlm = 0x00000200;
constexpr std::uint32_t kAlwaysSign = 0x00008000;
constexpr std::uint32_t kTargetTypeDomain = 0x00010000;
constexpr std::uint32_t kExtendedSessionSecurity = 0x00080000;
constexpr std::uint32_t kTargetInfo = 0x00800000;
constexpr std::uint32_t kVersion = 0x02000000;
constexpr std::uint32_t k128 = 0x20000000;
constexpr std::uint32_t kKeyExchange = 0x40000000;
constexpr std::uint32_t k56 = 0x80000000;
// What we agree to when the client proposes it.
constexpr std::uint32_t kNegotiable =
    kSign | kNtlm | kAlwaysSign | kExtendedSessionSecurity | kVersion | k128 | kKeyExchange | k56;

constexpr std::size_t kProofSize = 16;
// MS-NLMP 2.2.2.7 without AV pairs; an NTLMv1 response has 24 bytes in all.
constexpr std::size_t kBlobSize = 28;

std::uint32_t read_u16(std::span<const unsigned char> bytes, std::size_t at) {
  return bytes[at] | static_cast<std::uint32_t>(bytes[at + 1]) << 8;
}

std::uint32_t read_u32(std::span<const unsigned char> bytes, std::size_t at) {
  return read_u16(bytes, at) | read_u16(bytes, at + 2) << 16;
}

void append(Bytes& out, std::span<const unsigned char> bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

template <typename T>
void append_number(Bytes& out, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    out.push_back(static_cast<unsigned char>(static_cast<std::uint64_t>(value) >> (8 * i)));
  }
}

// The payload that the length and offset at `at` speak of.
std::optional<std::span<const unsigned char>> field(std::span<const unsigned char> message,
                                                    std::size_t at) {
  const std::size_t length = read_u16(message, at);
  const std::size_t offset = read_u32(message, at + 4);
  if (offset > message.size() || length > message.size() - offset) return std::nullopt;
  return message.subspan(offset, length);
}

void append_utf8(std::string& out, std::uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xc0 | code >> 6);
    out += static_cast<char>(0x80 | (code & 0x3f));
  } else {
    out += static_cast<char>(0xe0 | code >> 12);
    out += static_cast<char>(0x80 | (code >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
  }
}

// Names beyond the basic plane do not occur in the lab: a surrogate stands for itself.
std::string utf8_of_utf16(std::span<const unsigned char> bytes) {
  std::string text;
  for (std::size_t at = 0; at + 1 < bytes.size(); at += 2) append_utf8(text, read_u16(bytes, at));
  return text;
}

std::string utf8_of_oem(std::span<const unsigned char> bytes) {
  std::string text;
  for (const unsigned char byte : bytes) append_utf8(text, byte);
  return text;
}

// One code point of UTF-8 at `at`, which is moved behind it.
std::uint32_t next_code(std::string_view text, std::size_t& at) {
  constexpr std::uint32_t kReplacement = 0xfffd;
  const auto lead = static_cast<unsigned char>(text[at++]);
  if (lead < 0x80) return lead;
  const std::size_t more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : lead >= 0xc2 ? 1 : 0;
  if (more == 0 || text.size() - at < more) return kReplacement;
  std::uint32_t code = lead & (0x3fU >> more);
  for (std::size_t i = 0; i < more; ++i) {
    const auto byte = static_cast<unsigned char>(text[at + i]);
    if ((byte & 0xc0) != 0x80) return kReplacement;
    code = code << 6 | (byte & 0x3fU);
  }
  at += more;
  return code <= 0x10ffff ? code : kReplacement;
}

std::string upper(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
  }
  return result;
}

void append_pair(Bytes& out, std::uint16_t id, std::span<const unsigned char> value) {
  append_number(out, id);
  append_number(out, static_cast<std::uint16_t>(value.size()));
  append(out, value);
}

// 100 ns since 1601.
std::uint64_t file_time(std::chrono::system_clock::time_point time) {
  using Ticks = std::chrono::duration<std::int64_t, std::ratio<1, 10'000'000>>;
  constexpr std::int64_t kUnixEpoch = 116'444'736'000'000'000;
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<Ticks>(time.time_since_epoch()).count() + kUnixEpoch);
}

}  // namespace

Bytes utf16(std::string_view text) {
  Bytes out;
  for (std::size_t at = 0; at < text.size();) {
    const std::uint32_t code = next_code(text, at);
    if (code < 0x10000) {
      append_number(out, static_cast<std::uint16_t>(code));
    } else {
      append_number(out, static_cast<std::uint16_t>(0xd7c0 + (code >> 10)));
      append_number(out, static_cast<std::uint16_t>(0xdc00 + (code & 0x3ff)));
    }
  }
  return out;
}

Digest128 ntowf_v1(std::string_view password) { return md4(utf16(password)); }

Digest128 ntowf_v2(const Library& library, std::string_view user, std::string_view domain,
                   std::string_view password) {
  return hmac_md5(library, ntowf_v1(password), utf16(upper(user)), utf16(domain));
}

Digest128 nt_proof(const Library& library, const Digest128& ntowf, const Challenge& challenge,
                   std::span<const unsigned char> blob) {
  return hmac_md5(library, ntowf, challenge, blob);
}

std::uint32_t ntlm_message_type(std::span<const unsigned char> bytes) {
  if (bytes.size() < 12 || !std::ranges::equal(bytes.first(8), kSignature)) return 0;
  const std::uint32_t type = read_u32(bytes, 8);
  return type == 1 || type == 3 ? type : 0;
}

std::optional<NegotiateMessage> NegotiateMessage::parse(std::span<const unsigned char> bytes) {
  if (ntlm_message_type(bytes) != 1 || bytes.size() < 16) return std::nullopt;
  return NegotiateMessage{read_u32(bytes, 12)};
}

Bytes ChallengeMessage::encode(std::uint32_t client_flags) const {
  const bool unicode = (client_flags & kUnicode) != 0;
  const std::uint32_t flags = (unicode ? kUnicode : kOem) | kRequestTarget | kTargetTypeDomain |
                              kTargetInfo | kNtlm | (client_flags & kNegotiable);
  const Bytes target = unicode ? utf16(domain) : Bytes(domain.begin(), domain.end());
  Bytes info;  // AV pairs, MS-NLMP 2.2.2.1
  append_pair(info, 2, utf16(domain));
  append_pair(info, 1, utf16(computer));
  Bytes stamp;
  append_number(stamp, file_time(time));
  append_pair(info, 7, stamp);
  append_pair(info, 0, {});

  constexpr std::uint32_t kFixed = 56;
  Bytes out(kSignature.begin(), kSignature.end());
  append_number(out, std::uint32_t{2});
  append_number(out, static_cast<std::uint16_t>(target.size()));
  append_number(out, static_cast<std::uint16_t>(target.size()));
  append_number(out, kFixed);
  append_number(out, flags);
  append(out, challenge);
  append_number(out, std::uint64_t{0});
  append_number(out, static_cast<std::uint16_t>(info.size()));
  append_number(out, static_cast<std::uint16_t>(info.size()));
  append_number(out, static_cast<std::uint32_t>(kFixed + target.size()));
  append_number(out, std::uint64_t{0x0f00000017720006});  // version 6.0.6002, NTLM revision 15
  append(out, target);
  append(out, info);
  return out;
}

std::optional<AuthenticateMessage> AuthenticateMessage::parse(
    std::span<const unsigned char> bytes) {
  constexpr std::size_t kFixed = 64;
  if (ntlm_message_type(bytes) != 3 || bytes.size() < kFixed) return std::nullopt;
  const auto nt = field(bytes, 20);
  const auto domain = field(bytes, 28);
  const auto user = field(bytes, 36);
  if (!nt || !domain || !user || nt->size() < kProofSize + kBlobSize) return std::nullopt;
  const bool unicode = (read_u32(bytes, 60) & kUnicode) != 0;
  const auto text = [unicode](std::span<const unsigned char> name) {
    return unicode ? utf8_of_utf16(name) : utf8_of_oem(name);
  };
  return AuthenticateMessage{text(*user), text(*domain), Bytes(nt->begin(), nt->end())};
}

bool AuthenticateMessage::proves(const Library& library, std::string_view password,
                                 const Challenge& challenge) const {
  const std::span<const unsigned char> response(nt_response);
  const Digest128 expected = nt_proof(library, ntowf_v2(library, user, domain, password), challenge,
                                      response.subspan(kProofSize));
  return CRYPTO_memcmp(expected.data(), response.data(), kProofSize) == 0;
}

}  // namespace ocsproxy::lab
