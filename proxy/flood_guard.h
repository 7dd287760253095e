// Flood mitigation as a worker applies it: who may connect and ask, what the log says of those who
// may not, and what is counted. The counts themselves are in proxy/flood_table.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/ip_address.h"
#include "proxy/flood_table.h"
#include "proxy/services.h"
#include "settings/settings.h"

namespace ocsproxy {

// What one client connection has of its address's allowance. Empty: it is not limited.
class FloodAccount {
 public:
  // TLS is established, or will not be.
  void handshake_ended() { hold_.end_handshake(); }

 private:
  friend class FloodGuard;
  FloodHold hold_;
  bool limited_ = false;  // by the configuration; else the limits below mean nothing
  std::uint32_t requests_ = 0;
  std::uint32_t denied_ = 0;
};

// Why a request is not served.
struct FloodRefusal {
  FloodLimit limit = FloodLimit::requests_per_minute;
  std::uint32_t allowed = 0;
  std::uint32_t seconds = 0;  // until it may be asked again; 0: it is served

  explicit operator bool() const { return seconds != 0; }
};

// Worker's thread only.
class FloodGuard {
 public:
  // Both outlive it.
  FloodGuard(FloodTable& table, Services& services) : table_(table), services_(services) {}

  // For a new connection; empty when it is to be dropped. `handshake`: TLS comes first.
  std::optional<FloodAccount> admit(const IpAddress& client, bool handshake);
  // The configuration has changed. What was counted stays; what was not is from now on.
  void renew(FloodAccount& account, const IpAddress& client);

  // For each request.
  FloodRefusal request(FloodAccount& account, const IpAddress& client);
  // It was denied, by a rule or as no request.
  void count_denied(FloodAccount& account);

 private:
  std::uint32_t minute() const { return FloodTable::minute(services_.reactor.now()); }
  FloodHold enter(const IpAddress& client, std::uint32_t limit, bool& full);
  void report(FloodHold& hold, FloodLimit limit, std::uint32_t allowed, const IpAddress& client);

  FloodTable& table_;
  Services& services_;
};

// "more than 600 requests in a minute (flood_mitigation.requests_per_minute)", for the access log.
std::string describe(const FloodRefusal& refusal);

}  // namespace ocsproxy
