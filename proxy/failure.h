// What a client is told about an error: the one place that turns errors into HTTP statuses.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/error.h"

namespace ocsproxy {

// Result codes that administrators of ISA Server know from its pages and logs.
inline constexpr std::uint32_t kCodeDenied = 12202;
inline constexpr std::uint32_t kCodeFiltered = 12217;
inline constexpr std::uint32_t kCodeTimedOut = 10060;
inline constexpr std::uint32_t kCodeRefused = 10061;
inline constexpr std::uint32_t kCodeHostNotFound = 11001;
inline constexpr std::uint32_t kCodeAborted = 995;

struct Failure {
  std::uint16_t status = 0;  // 0: the client is gone, there is nobody to answer
  std::uint32_t code = 0;    // result code for the page and the log; 0: none
  // One sentence for the client, a literal without any name of ours.
  std::string_view reason = {};
};

Failure failure_of(const Error& error);
// For what was refused while it was parsed (proxy/head.h Refusal) and other statuses without an
// Error behind them.
Failure failure_of(std::uint16_t status);
// What a policy denial says: 403 with 12202.
Failure policy_denial();

}  // namespace ocsproxy
