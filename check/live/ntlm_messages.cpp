#include "check/live/ntlm_messages.h"

#include <array>
#include <cstdint>
#include <vector>

#include "base/text.h"
#include "tls/openssl.h"

namespace ocsproxy {
namespace {

using Bytes = std::vector<unsigned char>;

constexpr std::string_view kSignature{"NTLMSSP\0", 8};
// MS-NLMP 2.2.2.5: Unicode, request target, NTLM, always sign, extended session security, target
// info, 128 and 56 bit.
constexpr std::uint32_t kFlags = 0xa2888205;

void append(Bytes& out, std::uint32_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<unsigned char>(value >> 8 * i));
}

Bytes begin_message(std::uint32_t type) {
  Bytes message(kSignature.begin(), kSignature.end());
  append(message, type, 4);
  return message;
}

std::string base64(const Bytes& bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), bytes.data(),
                                   static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(size));
  return text;
}

std::optional<Bytes> from_base64(std::string_view text) {
  Bytes bytes(text.size() / 4 * 3);
  if (text.empty() || text.size() % 4 != 0 ||
      EVP_DecodeBlock(bytes.data(), as_bytes(text).data(), static_cast<int>(text.size())) < 0) {
    return std::nullopt;  // the padding stays as zeros behind the message
  }
  return bytes;
}

// Little endian; 0 where the message is too short.
std::size_t number(const Bytes& message, std::size_t at, std::size_t bytes) {
  if (at + bytes > message.size()) return 0;
  std::size_t value = 0;
  for (std::size_t i = bytes; i-- > 0;) value = value << 8 | message[at + i];
  return value;
}

// UTF-16 of names that are ASCII.
Bytes wide(std::string_view text) {
  Bytes out;
  for (const char c : text) append(out, static_cast<unsigned char>(c), 2);
  return out;
}

}  // namespace

std::string ntlm_first_message() {
  Bytes message = begin_message(1);
  append(message, kFlags, 4);
  message.resize(32);  // no domain, no workstation: two empty fields
  return base64(message);
}

std::string ntlm_last_message() {
  constexpr std::uint32_t kFixed = 64;
  // NTLMv2: 16 bytes of proof, which prove nothing, and the least blob (MS-NLMP 2.2.2.7).
  Bytes response(16 + 32);
  response[16] = response[17] = 1;
  const std::array<Bytes, 6> parts{Bytes(24), response, {}, wide(kProbeAccount), {}, {}};
  Bytes message = begin_message(3);
  Bytes payload;
  for (const Bytes& part : parts) {
    append(message, static_cast<std::uint32_t>(part.size()), 2);
    append(message, static_cast<std::uint32_t>(part.size()), 2);
    append(message, kFixed + static_cast<std::uint32_t>(payload.size()), 4);
    payload.insert(payload.end(), part.begin(), part.end());
  }
  append(message, kFlags, 4);
  message.insert(message.end(), payload.begin(), payload.end());
  return base64(message);
}

std::optional<std::string> ntlm_computer(std::string_view base64) {
  const auto message = from_base64(base64);
  if (!message || message->size() < 32 ||
      !std::equal(kSignature.begin(), kSignature.end(), message->begin()) ||
      number(*message, 8, 4) != 2) {
    return std::nullopt;
  }
  // Target info: pairs of a number and a value; 1 is the computer, 0 the end.
  std::size_t at = number(*message, 44, 4);
  const std::size_t end = at + number(*message, 40, 2);
  while (at + 4 <= end && end <= message->size()) {
    const std::size_t id = number(*message, at, 2);
    const std::size_t size = number(*message, at + 2, 2);
    if (id == 0 || at + 4 + size > end) break;
    if (id == 1) {
      std::string name;
      for (std::size_t i = 0; i + 1 < size; i += 2) {
        name += static_cast<char>((*message)[at + 4 + i]);
      }
      return escaped(name);
    }
    at += 4 + size;
  }
  return "";
}

}  // namespace ocsproxy
