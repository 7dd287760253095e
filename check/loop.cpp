#include "check/loop.h"

#include <algorithm>

#include "settings/shown_text.h"

namespace ocsproxy {
namespace {

using settings::Listener;

bool listens_on(const Listener& listener, const Machine& machine, const SocketAddress& place) {
  const bool has_port = (listener.http && *listener.http->port == place.port) ||
                        (listener.https && *listener.https->port == place.port);
  if (!has_port) return false;
  if (const Interface* const nic = find_interface(machine.interfaces, *listener.interface)) {
    return std::ranges::find(nic->addresses, place.ip) != nic->addresses.end();
  }
  return std::ranges::any_of(listener.addresses, [&](const auto& one) {
    const bool wildcard = one->is_unspecified() && one->is_v4() == place.ip.is_v4();
    return *one == place.ip || (wildcard && machine.is_own(place.ip));
  });
}

}  // namespace

bool report_loop(const settings::Settings& settings, const Machine& machine,
                 const SocketAddress& reached, Location where, Findings& findings) {
  const auto listener = std::ranges::find_if(
      settings.listeners, [&](const Listener& one) { return listens_on(one, machine, reached); });
  if (listener == settings.listeners.end()) return false;
  findings.warning("target-is-listener", where,
                   "the site is this proxy itself: the listener " +
                       settings::shown(*listener->name) + " has port " +
                       std::to_string(reached.port) + " of " + reached.ip.to_string(),
                   "write the address of the internal site; requests would be answered with 508");
  return true;
}

}  // namespace ocsproxy
