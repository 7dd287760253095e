// What the rules mean, once more: slow and obvious, straight from the settings, rule by rule and
// sentence by sentence. Shares nothing with rules/ but RE2.
#pragma once

#include <span>

#include "policy_text.h"

namespace ocsproxy::rules {

// `asked.path` is canonical.
Decision oracle_decide(const settings::Settings& settings, std::span<const IpAddress> own,
                       const Asked& asked);
// What each rule says to the request.
std::vector<RuleTrace> oracle_trace(const settings::Settings& settings,
                                    std::span<const IpAddress> own, const Asked& asked);
std::string oracle_network(const settings::Settings& settings, std::span<const IpAddress> own,
                           const IpAddress& address);
bool oracle_serves(const settings::Settings& settings, std::span<const IpAddress> own,
                   std::uint32_t listener, const IpAddress& address);

}  // namespace ocsproxy::rules
