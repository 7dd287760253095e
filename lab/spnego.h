// As much of SPNEGO (RFC 4178) as it takes to do NTLM under the scheme Negotiate.
#pragma once

#include <span>

#include "lab/ntlm.h"

namespace ocsproxy::lab {

// The NTLM message inside a token of the client; empty when there is none (a Kerberos ticket, or
// only the list of mechanisms). The message ends where the token does, which NTLM allows: its
// fields are found by offset.
std::span<const unsigned char> ntlm_inside(std::span<const unsigned char> token);

// NegTokenResp: go on with NTLM, here is its challenge.
Bytes spnego_challenge(std::span<const unsigned char> ntlm);
// NegTokenResp: the login is complete.
Bytes spnego_accepted();

}  // namespace ocsproxy::lab
