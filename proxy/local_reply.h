// Responses that the proxy itself gives: errors, denials, redirects. Complete messages, written
// into the caller's buffer. They tell a client nothing about rules, sites or names behind the
// proxy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "proxy/failure.h"

namespace ocsproxy {

// Enough for every reply whose `location` is at most 16 KiB.
inline constexpr std::size_t kLocalReplyBytes = 18432;

struct LocalReply {
  Failure what;                      // its status must not be 0; 302 for a redirect
  std::string_view request_id = {};  // our own: only letters, digits and "-"
  std::string_view date = {};        // IMF-fixdate for the Date field; "" leaves it out
  std::string_view location = {};    // for redirects; refused when a byte of it must be escaped
  std::string_view allow = {};       // methods for 405 (RFC 9110 15.5.6); "" leaves Allow out
  std::uint32_t retry_after = 0;     // seconds for Retry-After (RFC 9110 10.2.3); 0 leaves it out
  bool head_only = false;            // the request was HEAD: everything but the page
  bool keep_alive = false;           // else the connection closes after this response
};

// The message as a part of `buffer`; empty when it does not fit or `location` is no valid value, in
// which case the connection can only be closed.
std::string_view write_local_reply(const LocalReply& reply, std::span<char> buffer);

// "Not Found" for 404; "" for statuses that the proxy never gives.
std::string_view reason_phrase(std::uint16_t status);

}  // namespace ocsproxy
