// Which public name a request is for (RFC 9110 7.2, RFC 9112 3.2.2).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "proxy/head.h"
#include "rules/canonical_target.h"

namespace ocsproxy {

struct RequestHost {
  rules::Authority authority;  // the name that rules see; "" when an HTTP/1.0 request names none
  std::string_view as_sent;    // Host or the target's authority as it came, for `original_host`
};

// `target_authority` is CanonicalTarget::authority: with absolute-form it replaces Host, which must
// be valid all the same, and a port in it must be `listener_port`. `buffer` receives the name where
// it differs from what was sent: kHostBytes suffice. Refusals are 400.
inline constexpr std::size_t kHostBytes = rules::kAuthorityBufferSize;
Refusal request_host(const RequestHead& head, std::string_view target_authority,
                     std::uint16_t listener_port, std::span<char> buffer, RequestHost& host);

}  // namespace ocsproxy
