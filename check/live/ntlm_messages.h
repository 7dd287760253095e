// The messages of a login by NTLM (MS-NLMP) that cannot succeed: what a probe sends, and what it
// looks for in the answers. Pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ocsproxy {

// The account that the probe claims to be. Nobody should have it; each probe is a failed login of
// it in the log of the site.
inline constexpr std::string_view kProbeAccount = "ocsproxy-check";

// The first and the last message, as base64.
std::string ntlm_first_message();
std::string ntlm_last_message();

// The computer that made a challenge, by its NetBIOS name, printable; "" when it does not say.
// Empty when `base64` is no challenge.
std::optional<std::string> ntlm_computer(std::string_view base64);

}  // namespace ocsproxy
