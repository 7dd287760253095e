#include "net/failover.h"

#include <algorithm>

namespace ocsproxy {

using std::chrono::milliseconds;

std::vector<IpAddress> Failover::order(const std::vector<IpAddress>& addresses,
                                       milliseconds now) const {
  constexpr std::size_t kTriedAtLeast = 2;
  std::vector<IpAddress> tried;
  std::vector<IpAddress> rest;
  for (const IpAddress& address : addresses) {
    (is_set_aside(address, now) ? rest : tried).push_back(address);
  }
  std::stable_sort(rest.begin(), rest.end(), [this](const IpAddress& a, const IpAddress& b) {
    return set_aside_.at(a) < set_aside_.at(b);
  });
  const std::size_t wanted = tried.empty() ? rest.size() : kTriedAtLeast;
  for (const IpAddress& address : rest) {
    if (tried.size() >= wanted) break;
    tried.push_back(address);
  }
  return tried;
}

void Failover::failed(const IpAddress& address, milliseconds now) {
  // A name whose addresses change must not make this grow for ever.
  std::erase_if(set_aside_, [now](const auto& entry) { return entry.second <= now; });
  set_aside_[address] = now + kSetAside;
}

bool Failover::is_set_aside(const IpAddress& address, milliseconds now) const {
  const auto found = set_aside_.find(address);
  return found != set_aside_.end() && found->second > now;
}

}  // namespace ocsproxy
