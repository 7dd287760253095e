// Could somebody log in by NTLM here? The messages of a login must reach one server on one
// connection; what stands in front of a site easily breaks that, and its users are asked for their
// password without end.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "check/live/ask.h"
#include "net/task.h"

namespace ocsproxy {

struct NtlmVerdict {
  enum class Kind : std::uint8_t {
    refused,            // of an account that does not exist: all is well
    closed,             // the connection ended between the messages
    spread,             // the messages reached different servers
    without_challenge,  // the first message is not answered with a challenge
  };
  Kind kind = Kind::refused;
  std::string detail;  // what happened, to follow the URL: "ends the connection after ..."
};

// Sends the first message twice and then a last one, of kProbeAccount, on the same connection.
// `head_with` makes the request with an Authorization field of this value. `scheme` is NTLM or
// Negotiate. Fails when there is no answer to the first message.
using HeadWith = std::function<std::string(const std::string& authorization)>;
Task<Result<NtlmVerdict>> probe_ntlm(Stream& stream, std::string_view scheme,
                                     const HeadWith& head_with);

}  // namespace ocsproxy
