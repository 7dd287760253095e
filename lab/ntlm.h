// The server's half of NTLM (MS-NLMP): the challenge, and whether an answer to it proves the
// password. NTLMv2 only. The optional MIC over the three messages is not checked: it protects what
// follows the login on the wire, and here that is TLS.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lab/digest.h"

namespace ocsproxy::lab {

using Bytes = std::vector<unsigned char>;
using Challenge = std::array<unsigned char, 8>;

// UTF-16LE of UTF-8; what is not UTF-8 becomes U+FFFD.
Bytes utf16(std::string_view text);

// MS-NLMP 3.3.1: MD4 of the password.
Digest128 ntowf_v1(std::string_view password);
// MS-NLMP 3.3.2: what a password is worth for this user and domain, both spelled as the client
// spells them (the user's case does not matter, the domain's does).
Digest128 ntowf_v2(const Library& library, std::string_view user, std::string_view domain,
                   std::string_view password);
// MS-NLMP 3.3.2: NTProofStr for a challenge and the client's blob ("temp").
Digest128 nt_proof(const Library& library, const Digest128& ntowf, const Challenge& challenge,
                   std::span<const unsigned char> blob);

// MS-NLMP 2.2.1.1, the client's first message.
struct NegotiateMessage {
  std::uint32_t flags = 0;
  static std::optional<NegotiateMessage> parse(std::span<const unsigned char> bytes);
};

// MS-NLMP 2.2.1.2, our answer to it.
struct ChallengeMessage {
  Challenge challenge{};
  std::string domain;    // NetBIOS name: "CONTOSO"
  std::string computer;  // NetBIOS name: "OCSPOOL"
  std::chrono::system_clock::time_point time;
  // `client_flags` chooses between Unicode and OEM names, and what to agree to.
  Bytes encode(std::uint32_t client_flags) const;
};

// MS-NLMP 2.2.1.3, the client's second message.
struct AuthenticateMessage {
  std::string user;    // UTF-8
  std::string domain;  // UTF-8, as the client spells it; may be empty
  Bytes nt_response;   // NTProofStr and blob
  // Empty when an offset or a length leads outside of the message, or the answer is not NTLMv2.
  static std::optional<AuthenticateMessage> parse(std::span<const unsigned char> bytes);
  // Was this made with `password`, for this very challenge?
  bool proves(const Library& library, std::string_view password, const Challenge& challenge) const;
};

// 1 or 3 when the bytes begin as an NTLM message, else 0.
std::uint32_t ntlm_message_type(std::span<const unsigned char> bytes);

}  // namespace ocsproxy::lab
