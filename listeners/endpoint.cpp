#include "listeners/endpoint.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <fstream>

#include "base/text.h"
#include "listeners/socket_holder.h"

namespace ocsproxy {
namespace {

// The kernel cuts it down to net.core.somaxconn.
constexpr int kBacklog = 65'535;

Error cannot_listen(std::string detail) { return Error{.detail = std::move(detail)}; }

std::vector<IpAddress> addresses_of(const settings::Listener& listener,
                                    const std::vector<Interface>& interfaces, Findings& findings) {
  std::vector<IpAddress> addresses;
  if (listener.interface->empty()) {
    for (const auto& address : listener.addresses) addresses.push_back(*address);
    return addresses;
  }
  const Interface* const interface = find_interface(interfaces, *listener.interface);
  const std::string quoted = '"' + *listener.interface + '"';
  if (interface == nullptr) {
    findings.error("unknown-interface", listener.interface.where, "there is no NIC " + quoted,
                   describe(interfaces));
    return addresses;
  }
  addresses = listening_addresses(*interface);
  if (addresses.empty()) {
    findings.error("interface-without-address", listener.interface.where,
                   "the NIC " + quoted + " has no address to listen on", describe(interfaces));
  }
  return addresses;
}

const Endpoint* overlapping(const std::vector<Endpoint>& endpoints, const SocketAddress& address) {
  for (const Endpoint& one : endpoints) {
    if (one.address.port != address.port || one.address.ip.is_v4() != address.ip.is_v4()) continue;
    if (one.address.ip == address.ip || one.address.ip.is_unspecified() ||
        address.ip.is_unspecified()) {
      return &one;
    }
  }
  return nullptr;
}

Result<Descriptor> new_socket(const Endpoint& endpoint, bool reuse_port) {
  const bool v4 = endpoint.address.ip.is_v4();
  Descriptor socket(
      ::socket(v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
  if (!socket) {
    if (errno == EAFNOSUPPORT) {
      return cannot_listen("cannot listen on " + endpoint.address.to_string() +
                           ": this machine has IPv6 switched off");
    }
    return cannot_listen("cannot make a socket for " + endpoint.address.to_string() + ": " +
                         errno_text(errno));
  }
  const auto set = [&](int level, int option) {
    const int on = 1;
    return ::setsockopt(socket.get(), level, option, &on, sizeof on) == 0;
  };
  // SO_REUSEADDR: connections of an earlier run that wait out their time are in nobody's way.
  if (!set(SOL_SOCKET, SO_REUSEADDR) || (reuse_port && !set(SOL_SOCKET, SO_REUSEPORT)) ||
      (!v4 && !set(IPPROTO_IPV6, IPV6_V6ONLY)) ||
      (endpoint.freebind &&
       !set(v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_FREEBIND : IPV6_FREEBIND))) {
    return cannot_listen("cannot set up a socket for " + endpoint.address.to_string() + ": " +
                         errno_text(errno));
  }
  return socket;
}

bool bind(const Descriptor& socket, const SocketAddress& address) {
  sockaddr_storage storage;
  const socklen_t size = address.to(storage);
  return ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&storage), size) == 0;
}

std::string not_permitted(const SocketAddress& address) {
  unsigned first_free_port = 1024;
  std::ifstream("/proc/sys/net/ipv4/ip_unprivileged_port_start") >> first_free_port;
  if (address.port >= first_free_port) {
    return "cannot listen on " + address.to_string() +
           ": the system does not permit it (a security module such as SELinux or AppArmor)";
  }
  return "cannot listen on " + address.to_string() + ": ports below " +
         std::to_string(first_free_port) +
         " need privilege; start ocsproxy as root (it serves unprivileged all the same), or give "
         "it CAP_NET_BIND_SERVICE";
}

std::string not_on_this_machine(const SocketAddress& address) {
  const auto interfaces = network_interfaces();
  return address.ip.to_string() + " is on no NIC of this machine; " +
         (interfaces ? describe(*interfaces) : interfaces.error().detail) +
         "; `freebind: true` listens on it nevertheless";
}

// What to say of an address in use; Done when it is only our own sockets that use it.
Status judge_collision(const SocketAddress& address, const std::set<ino_t>& own) {
  const std::vector<HeldSocket> all = colliding_sockets(address);
  const auto foreign = std::find_if(
      all.begin(), all.end(), [&own](const HeldSocket& held) { return !own.contains(held.inode); });
  if (foreign != all.end()) return cannot_listen(describe_holder(address, *foreign));
  if (!all.empty()) return Done{};
  return cannot_listen(address.to_string() +
                       " is held by a socket that is bound and does not listen, so that the system "
                       "does not say whose it is");
}

Error bind_error(const SocketAddress& address, int error, const std::set<ino_t>& own) {
  switch (error) {
    case EACCES:
    case EPERM:
      return cannot_listen(not_permitted(address));
    case EADDRNOTAVAIL:
      return cannot_listen(not_on_this_machine(address));
    case EADDRINUSE:
      if (const Status free = judge_collision(address, own); !free) return free.error();
      [[fallthrough]];
    default:
      return cannot_listen("cannot listen on " + address.to_string() + ": " + errno_text(error));
  }
}

}  // namespace

std::vector<Endpoint> endpoints_of(const settings::Settings& settings,
                                   const std::vector<Interface>& interfaces, Findings& findings) {
  std::vector<Endpoint> endpoints;
  for (std::uint32_t index = 0; index < settings.listeners.size(); ++index) {
    const settings::Listener& listener = settings.listeners[index];
    const auto addresses = addresses_of(listener, interfaces, findings);
    const auto add = [&](const IpAddress& ip, std::size_t n, std::uint16_t port, bool secure) {
      const Location where =
          listener.interface->empty() ? listener.addresses[n].where : listener.interface.where;
      const SocketAddress address{ip, port};
      if (const Endpoint* const first = overlapping(endpoints, address)) {
        findings.error("endpoint-twice", where,
                       address.to_string() + " is taken by listener \"" +
                           *settings.listeners[first->listener].name + "\" already, as " +
                           first->address.to_string(),
                       "an address and port can belong to one listener");
        return;
      }
      endpoints.push_back({address, secure, index, listener.freebind, where});
    };
    for (std::size_t n = 0; n < addresses.size(); ++n) {
      if (listener.http) add(addresses[n], n, *listener.http->port, false);
      if (listener.https) add(addresses[n], n, *listener.https->port, true);
    }
  }
  return endpoints;
}

std::set<ino_t> socket_inodes(const std::vector<BoundEndpoint>& endpoints) {
  std::set<ino_t> inodes;
  for (const BoundEndpoint& endpoint : endpoints) {
    for (const Descriptor& socket : endpoint.sockets) {
      struct stat info {};
      if (::fstat(socket.get(), &info) == 0) inodes.insert(info.st_ino);
    }
  }
  return inodes;
}

Status probe_endpoint(const Endpoint& endpoint, const std::set<ino_t>& own) {
  const auto socket = new_socket(endpoint, false);
  if (!socket) return socket.error();
  if (bind(*socket, endpoint.address)) return Done{};
  if (errno == EADDRINUSE) return judge_collision(endpoint.address, own);
  return bind_error(endpoint.address, errno, own);
}

Result<std::vector<Descriptor>> bind_endpoint(const Endpoint& endpoint, std::size_t count,
                                              const std::set<ino_t>& own) {
  if (const Status free = probe_endpoint(endpoint, own); !free) return free.error();
  std::vector<Descriptor> sockets;
  for (std::size_t i = 0; i < count; ++i) {
    auto socket = new_socket(endpoint, true);
    if (!socket) return std::move(socket).error();
    if (!bind(*socket, endpoint.address)) return bind_error(endpoint.address, errno, own);
    sockets.push_back(*std::move(socket));
  }
  // Only now, so that no client is given to a half-made set.
  for (const Descriptor& socket : sockets) {
    if (::listen(socket.get(), kBacklog) != 0) return bind_error(endpoint.address, errno, own);
  }
  return sockets;
}

}  // namespace ocsproxy
