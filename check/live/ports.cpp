#include "check/live/ports.h"

#include <filesystem>
#include <fstream>
#include <optional>

#include "listeners/endpoint.h"
#include "listeners/socket_holder.h"

namespace ocsproxy {
namespace {

namespace fs = std::filesystem;

// Was the process started as  ocsproxy ... PATH? A relative path counts from where it stands.
bool serves(const Process& process, const std::string& path) {
  if (process.name != "ocsproxy") return false;
  const fs::path folder = "/proc/" + std::to_string(process.pid);
  std::ifstream arguments(folder / "cmdline", std::ios::binary);
  std::string argument;
  while (std::getline(arguments, argument, '\0')) {
    std::error_code no_path;
    if (fs::equivalent(folder / "cwd" / argument, path, no_path)) return true;
  }
  return false;
}

// The first that listens there; a bind collides with no other.
std::optional<HeldSocket> listening_socket(const SocketAddress& address) {
  const auto held = colliding_sockets(address);
  if (held.empty() || !held.front().listening) return std::nullopt;
  return held.front();
}

void check_port(const Endpoint& endpoint, const Machine& machine, const std::string& path,
                LiveReport& report) {
  const SocketAddress& address = endpoint.address;
  const auto held = listening_socket(address);
  const auto process = held ? process_with_socket(held->inode) : std::nullopt;
  if (process && serves(*process, path)) {
    report.well.push_back(address.to_string() + " is held by pid " + std::to_string(process->pid) +
                          ", the ocsproxy that serves this configuration");
    return;
  }
  // Not to be had without a privilege, which the proxy is started with and this account lacks.
  const bool privileged = address.port < machine.first_free_port && !machine.may_bind_low_ports;
  const Status free = held         ? Status(Error{.detail = describe_holder(address, *held)})
                      : privileged ? Status(Done{})
                                   : probe_endpoint(endpoint, {});
  if (free) {
    report.well.push_back(address.to_string() + " is free");
    return;
  }
  report.findings.error("cannot-listen", endpoint.where, free.error().detail,
                        held ? "stop that program, or give it or the listener another address or "
                               "port"
                             : "");
}

}  // namespace

void check_ports(const settings::Settings& settings, const Machine& machine,
                 const std::string& path, LiveReport& report) {
  Findings known;  // said by --check already
  for (const Endpoint& endpoint : endpoints_of(settings, machine.interfaces, known)) {
    // So is that no NIC has an address.
    if (endpoint.freebind || machine.has(endpoint.address.ip)) {
      check_port(endpoint, machine, path, report);
    }
  }
}

}  // namespace ocsproxy
