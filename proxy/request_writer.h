// The request head that the internal site receives, made from the one that the client sent. Nothing
// goes on by accident: framing, Host, the target and all that tells the site who the client is are
// written from what was decided, not from what was sent. No allocation; pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/ip_address.h"
#include "proxy/framing.h"
#include "proxy/head.h"
#include "proxy/host.h"
#include "rules/canonical_target.h"
#include "settings/settings.h"

namespace ocsproxy {

// What was decided about the request. References and views must live during the call.
struct RequestRewrite {
  const settings::Rule* rule;  // allowed the request: it has a target
  std::uint32_t path = 0;      // which of its paths matched
  const rules::CanonicalTarget& target;
  const RequestHost& host;
  const RequestFraming& framing;
  IpAddress client_address;
  bool client_secure = false;   // the client came over TLS
  std::string_view request_id;  // goes into X-Request-Id
  std::string_view via;         // our pseudonym: a token that no other proxy has
  // The canonical Destination once the rules have allowed it, and which path of `rule` matched it.
  // With an empty path a Destination field is not sent on: nobody judged it.
  rules::CanonicalTarget destination = {};
  std::uint32_t destination_path = 0;
};

// The head, from request line to empty line, at the beginning of `out`; returns its size, or 0 when
// it does not fit. `out` must not overlap what the arguments refer to.
std::size_t write_request_head(const RequestHead& head, const RequestRewrite& rewrite,
                               std::span<char> out);

// Has the request passed this installation before (RFC 9110 7.6.3)? `via` is our pseudonym; names
// that merely begin like it are somebody else's.
bool request_loops(const RequestHead& head, std::string_view via);

}  // namespace ocsproxy
