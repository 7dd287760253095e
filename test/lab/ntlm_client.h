// The client's half of NTLM, for tests.
#pragma once

#include <string>
#include <string_view>

#include "lab/ntlm.h"

namespace ocsproxy::lab {

// The value of Authorization for the first leg.
std::string ntlm_negotiate();

// The value of Authorization for the second leg; `challenge` is the value of WWW-Authenticate that
// answered the first.
std::string ntlm_answer(const Library& library, std::string_view challenge, std::string_view domain,
                        std::string_view user, std::string_view password);

// The eight bytes of the challenge in such a value.
Challenge challenge_in(std::string_view field);

}  // namespace ocsproxy::lab
