#include "lab/spnego.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <string_view>

namespace ocsproxy::lab {
namespace {

constexpr std::string_view kSignature("NTLMSSP\0", 8);
// 1.3.6.1.4.1.311.2.2.10
constexpr std::array<unsigned char, 12> kNtlmMechanism = {0x06, 0x0a, 0x2b, 0x06, 0x01, 0x04,
                                                          0x01, 0x82, 0x37, 0x02, 0x02, 0x0a};
enum State : unsigned char { accept_completed = 0, accept_incomplete = 1 };

// A DER element; no content here reaches 64 KiB.
Bytes element(unsigned char tag, std::span<const unsigned char> content) {
  Bytes out = {tag};
  const std::size_t size = content.size();
  if (size >= 0x100) {
    out.push_back(0x82);
    out.push_back(static_cast<unsigned char>(size >> 8));
  } else if (size >= 0x80) {
    out.push_back(0x81);
  }
  out.push_back(static_cast<unsigned char>(size));
  out.insert(out.end(), content.begin(), content.end());
  return out;
}

Bytes joined(std::initializer_list<Bytes> parts) {
  Bytes out;
  for (const Bytes& part : parts) out.insert(out.end(), part.begin(), part.end());
  return out;
}

Bytes state_element(State state) {
  const std::array<unsigned char, 3> enumerated = {0x0a, 0x01, state};
  return element(0xa0, enumerated);
}

Bytes response(const Bytes& fields) { return element(0xa1, element(0x30, fields)); }

}  // namespace

std::span<const unsigned char> ntlm_inside(std::span<const unsigned char> token) {
  const auto signature = as_bytes(kSignature);
  const auto found = std::search(token.begin(), token.end(), signature.begin(), signature.end());
  return token.subspan(static_cast<std::size_t>(found - token.begin()));
}

Bytes spnego_challenge(std::span<const unsigned char> ntlm) {
  return response(joined({state_element(accept_incomplete), element(0xa1, kNtlmMechanism),
                          element(0xa2, element(0x04, ntlm))}));
}

Bytes spnego_accepted() { return response(state_element(accept_completed)); }

}  // namespace ocsproxy::lab
