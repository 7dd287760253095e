// One request of a probe and its answer.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "net/task.h"
#include "tls/stream.h"

namespace ocsproxy {

struct SiteAnswer {
  std::uint16_t status = 0;
  std::vector<std::string> challenges;  // each WWW-Authenticate field
  std::string date, location;           // "" when there is none
  bool sets_cookie = false;
  bool keep_alive = false;  // the connection may carry another request

  // What follows `scheme` and a space in one of the challenges; null when it is not offered.
  const std::string* challenge(std::string_view scheme) const;
  bool offers(std::string_view scheme) const { return challenge(scheme) != nullptr; }
};

// For one request, from its first byte to the last of the answer.
inline constexpr std::chrono::seconds kAnswerDeadline{10};

// Sends `head`, to which no body belongs, and reads the answer with its body. `stream` is connected
// and idle. On an error it is of no use any more.
Task<Result<SiteAnswer>> ask(Stream& stream, std::string head);

}  // namespace ocsproxy
