// Which of a site's addresses to try, and in which order, from what failed lately.
#pragma once

#include <chrono>
#include <map>
#include <vector>

#include "base/ip_address.h"

namespace ocsproxy {

// Passive failover for the addresses of one target (all of one port). An address that failed is set
// aside for a while, so that a dead pool member costs one connect timeout per `kSetAside` and not
// one per request. Times are those of any monotonic clock, the same one in all calls.
class Failover {
 public:
  static constexpr std::chrono::milliseconds kSetAside{10'000};

  // What to try, best first. Addresses that are not set aside keep their order; as long as there
  // are fewer than two of them, those set aside follow, the one that failed longest ago first, so
  // that a second member is tried before a request fails. All of them when all are set aside.
  std::vector<IpAddress> order(const std::vector<IpAddress>& addresses,
                               std::chrono::milliseconds now) const;

  // The connection could not be made: refused, timed out, or the peer did not prove to be the site.
  void failed(const IpAddress& address, std::chrono::milliseconds now);
  // The connection was made.
  void succeeded(const IpAddress& address) { set_aside_.erase(address); }
  bool is_set_aside(const IpAddress& address, std::chrono::milliseconds now) const;

 private:
  std::map<IpAddress, std::chrono::milliseconds> set_aside_;  // until when
};

}  // namespace ocsproxy
