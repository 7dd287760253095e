#include "test/lab/ntlm_client.h"

#include <algorithm>
#include <stdexcept>

#include "lab/authentication.h"

namespace ocsproxy::lab {
namespace {

void append(Bytes& out, std::uint64_t value, int size) {
  for (int i = 0; i < size; ++i) out.push_back(static_cast<unsigned char>(value >> (8 * i)));
}

Bytes start(std::uint32_t type) {
  Bytes out = {'N', 'T', 'L', 'M', 'S', 'S', 'P', 0};
  append(out, type, 4);
  return out;
}

}  // namespace

std::string ntlm_negotiate() {
  Bytes message = start(1);
  append(message, 0x00088207, 4);  // Unicode, OEM, target, NTLM, always sign, extended security
  message.resize(message.size() + 16);  // no domain and no workstation
  return "NTLM " + encode_base64(message);
}

Challenge challenge_in(std::string_view field) {
  const auto bytes = decode_base64(field.substr(field.find(' ') + 1));
  if (!bytes || bytes->size() < 56) throw std::runtime_error("no challenge: " + std::string(field));
  Challenge challenge{};
  std::copy_n(bytes->begin() + 24, challenge.size(), challenge.begin());
  return challenge;
}

std::string ntlm_answer(const Library& library, std::string_view challenge, std::string_view domain,
                        std::string_view user, std::string_view password) {
  Bytes blob = {1, 1, 0, 0, 0, 0, 0, 0};
  append(blob, 0, 8);
  append(blob, 0xaaaaaaaaaaaaaaaa, 8);
  append(blob, 0, 8);
  const Digest128 proof =
      nt_proof(library, ntowf_v2(library, user, domain, password), challenge_in(challenge), blob);
  Bytes response(proof.begin(), proof.end());
  response.insert(response.end(), blob.begin(), blob.end());

  const Bytes fields[] = {Bytes(24, 0), response, utf16(domain), utf16(user), utf16("HOST"), {}};
  Bytes message = start(3);
  std::size_t offset = 64;
  for (const Bytes& field : fields) {
    append(message, field.size(), 2);
    append(message, field.size(), 2);
    append(message, offset, 4);
    offset += field.size();
  }
  append(message, 0x00088201, 4);
  for (const Bytes& field : fields) message.insert(message.end(), field.begin(), field.end());
  return "NTLM " + encode_base64(message);
}

}  // namespace ocsproxy::lab
