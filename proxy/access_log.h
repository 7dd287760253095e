// One line of the access log for each exchange: what ISA Server logged, under its field names, and
// what its administrators missed at the end of the line. One request is one line whatever the peers
// sent: control bytes, backslashes and bytes above 0x7e are written as \xNN (with four characters
// each, in JSON too, so that one rule reads both back). No allocation; pure functions.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/error.h"
#include "base/ip_address.h"
#include "net/socket_address.h"
#include "proxy/head.h"
#include "tls/kernel_tls.h"

namespace ocsproxy {

enum class LogAction : std::uint8_t {
  allowed,      // a rule allowed it, and the client got a response of the site
  denied,       // the policy, or a refusal of the message
  failed,       // allowed, but it did not come to a response, or to all of it
  established,  // a tunnel that ended in order
};

// Views are read during the call only. Everything that is not known is left as it is here and
// logged as "-".
struct AccessRecord {
  std::chrono::system_clock::time_point time;  // the end of the exchange
  std::chrono::milliseconds taken{0};

  // The client and what it asked for.
  SocketAddress client;
  std::string_view client_network;
  std::string_view user;  // as claimed: logged with "?" behind it
  std::string_view user_agent;
  std::string_view referrer;
  std::string_view method;
  std::string_view public_host;  // Host as sent
  std::string_view target;       // the request target as sent
  Version version = Version::http1_1;
  bool client_secure = false;
  std::string_view listener;
  std::string_view request_id;

  // The decision.
  std::string_view rule;  // name; "" for the implicit deny
  LogAction action = LogAction::allowed;

  // The site.
  std::string_view site;
  SocketAddress upstream;  // port 0: no connection was used
  bool pinned = false;

  // "send" or "both": the directions whose TLS records the kernel had.
  KernelPart client_kernel_tls = KernelPart::none;
  KernelPart upstream_kernel_tls = KernelPart::none;

  // The outcome.
  std::uint16_t status = 0;       // what the client was told; 0: nothing
  std::uint32_t result_code = 0;  // ISA's (proxy/failure.h); 0: none
  std::string_view mime_type;
  const Error* error = nullptr;      // null: nothing went wrong
  std::string_view filter_report;    // what an HTTP filter that only reports objects to
  std::uint32_t dropped_fields = 0;  // fields with "_" in their name, which do not go upstream

  // Bytes of heads and bodies, without what TLS adds.
  std::uint64_t from_client = 0;
  std::uint64_t to_client = 0;
  std::uint64_t to_upstream = 0;
  std::uint64_t from_upstream = 0;
};

// Enough for every line, whatever is in it.
inline constexpr std::size_t kAccessLineBytes = std::size_t{16} * 1024;
// The longest form of a name (of a rule, listener or site) and of the URL, escapes included.
inline constexpr std::size_t kMaxLoggedName = 256;
inline constexpr std::size_t kMaxLoggedUrl = 4096;

// W3C extended log file format, fields separated by tabs, times in UTC. The line with its "\n", as
// a part of `buffer`.
std::string_view format_w3c(const AccessRecord& record, std::span<char, kAccessLineBytes> buffer);
// The same as one JSON object a line; what is not known is left out.
std::string_view format_json(const AccessRecord& record, std::span<char, kAccessLineBytes> buffer);

// What a W3C log begins with, and again after each reopening: #Software, #Version, #Date, #Fields.
std::string_view w3c_header(std::chrono::system_clock::time_point now,
                            std::span<char, kAccessLineBytes> buffer);

}  // namespace ocsproxy
