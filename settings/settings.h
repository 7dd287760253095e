// What conf/ says, as typed structs. Read once by settings/load.h, never changed afterwards, and
// kept with the place each value came from, so that every later finding can point at it.
// A field that the configuration left out has its default and a Location without a file... except
// that defaults which depend on other fields are filled in by the loader, so that no reader of
// these structs repeats them.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/finding.h"
#include "base/ip_address.h"
#include "settings/http_filter.h"

namespace ocsproxy::settings {

using std::chrono::milliseconds;

// The networks that exist without being configured.
inline constexpr std::string_view kExternal = "External";     // in no other network
inline constexpr std::string_view kLocalHost = "Local Host";  // this machine's own addresses
inline constexpr std::string_view kAnywhere = "Anywhere";     // every address

// A named set of source addresses. Ranges given to `External` are added to it.
struct Network {
  Located<std::string> name;
  std::vector<Located<AddressRange>> ranges;
};

// One entry of `from` / `except_from`: the name of a network, or addresses.
struct Source {
  Location where;
  std::string text;                   // as written
  std::optional<AddressRange> range;  // empty: `text` names a network
};

// A certificate with its key: PEM chain and key, or one PFX file. Paths are resolved against the
// configuration's directory.
struct CertificateFiles {
  Location where;
  Located<std::string> chain;            // PEM, the leaf first; empty when `pfx` is given
  Located<std::string> key;              // PEM; may be the same file as `chain`
  Located<std::string> pfx;              // PKCS#12; empty when `chain` is given
  Located<std::string> passphrase_file;  // first line is the passphrase; empty when not encrypted
};

enum class TlsVersion : std::uint8_t { tls1_0, tls1_1, tls1_2, tls1_3 };

struct Http {
  Location where;
  Located<std::uint16_t> port{80, {}};
  bool redirect_to_https = false;  // `redirect: https`; else rules are served over plain HTTP
};

struct Https {
  Location where;
  Located<std::uint16_t> port{443, {}};
  std::vector<CertificateFiles> certificates;  // never empty; the first is the default
  Located<TlsVersion> minimum_version{TlsVersion::tls1_2, {}};  // tls1_2 or tls1_3
};

struct Listener {
  Location where;
  Located<std::string> name;
  std::vector<Located<std::string>> networks;  // never empty
  std::vector<Located<IpAddress>> addresses;   // empty when `interface` is given
  Located<std::string> interface;              // empty when `addresses` are given
  bool freebind = false;                       // bind addresses that no NIC has (a standby)
  std::optional<Http> http;                    // at least one of http and https is present
  std::optional<Https> https;
  struct Limits {
    Located<std::uint32_t> connections{20000, {}};  // open client connections over all workers
    // Bytes a second that a client which is waited for has to send or to take, on average over
    // `grace`; while the site is waited for, nothing is asked of it.
    Located<std::uint32_t> minimum_rate{100, {}};
    Located<milliseconds> grace{milliseconds(60'000), {}};
  } limits;
  struct Timeouts {
    Located<milliseconds> handshake{milliseconds(10'000), {}};     // TLS, from accept to finished
    Located<milliseconds> request_head{milliseconds(20'000), {}};  // first byte to last of a head
    Located<milliseconds> idle{milliseconds(120'000), {}};         // between requests
  } timeouts;
};

enum class Action : std::uint8_t { allow, deny };
enum class Bridging : std::uint8_t { https, http };
// client: "no delegation, but client may authenticate directly"; none: credentials are removed.
enum class Delegation : std::uint8_t { client, none };

struct Path {
  enum class Kind : std::uint8_t {
    prefix,  // "/dir/*": /dir and all below; "/*" is everything
    exact,   // "/file"
    regex,   // RE2 over the whole canonical path
  };
  Location where;
  Kind kind = Kind::prefix;
  // prefix: without the "/*", so "" for "/*" and "/dir" for "/dir/*"; exact: the path; regex: the
  // pattern. As written, case kept.
  std::string external;
  // What `external` becomes upstream, in the same form; equal to `external` when not mapped. Unused
  // for regex.
  std::string internal;
  Location internal_where;
};

struct Target {  // `to`
  Location where;
  Located<std::string> site;                    // lower case; TLS name and Host
  std::vector<Located<std::string>> addresses;  // IP addresses or names; empty: resolve `site`
  Located<std::uint16_t> port{443, {}};         // default 443, or 80 with bridging http
  bool original_host = false;
  Located<TlsVersion> minimum_version{TlsVersion::tls1_2, {}};
  Located<bool> legacy{false, {}};  // TLS 1.0 and SHA-1 chains, for this target alone
  struct Limits {
    // Open connections over all workers, each of which has its share and at least one.
    Located<std::uint32_t> connections{20000, {}};
    // Requests that may wait for one of them, over all workers, each of which has its share.
    Located<std::uint32_t> queue{1000, {}};
  } limits;
};

inline constexpr std::uint32_t kNoFilter = 0xffffffff;

struct Rule {
  Location where;
  Located<std::string> name;
  bool enabled = true;
  Located<Action> action{Action::allow, {}};
  Located<std::string> redirect;  // deny only: https://… or http://…; "" for none
  Located<std::string> listener;  // "": a deny for every listener
  std::vector<Source> from;       // empty: a deny from Anywhere
  std::vector<Source> except_from;
  std::vector<Located<std::string>>
      public_names;          // lower case, no trailing dot; "*" is any; empty: as "*"
  std::vector<Path> paths;   // never empty; default "/*"
  std::optional<Target> to;  // allow only
  std::vector<Located<std::string>> methods;  // never empty; default "*"
  Located<Bridging> bridging{Bridging::https, {}};
  Located<Delegation> delegation{Delegation::client, {}};
  struct Timeouts {
    Located<milliseconds> connect{milliseconds(5'000), {}};  // one address: TCP and TLS
    Located<milliseconds> queue{milliseconds(5'000), {}};    // for one of to.limits.connections
    Located<milliseconds> response_head{milliseconds(1'800'000), {}};
    Located<milliseconds> idle{milliseconds(1'800'000), {}};  // a direction without progress
  } timeouts;
  Located<std::string> http_filter;  // by its name; "": none, or one that stands in the rule
  std::uint32_t filter = kNoFilter;  // index into Settings::http_filters
};

// What the configuration says that its own rules must do (`expectations`). One that they do not
// meet is an error.

// A request, and what decides it.
struct Example {
  enum class Verdict : std::uint8_t { allow, deny, redirect };
  Location where;
  Located<std::string> request;  // as written: "GET https://www.example.com/dir/file"
  std::string method;
  bool https = true;
  std::string authority;  // of the URL: a name, perhaps with a port
  std::string target;     // of the URL: the path and what follows it; at least "/"
  Located<IpAddress> from;
  Located<std::string> listener;            // "": the only one that this request can come to
  Located<std::string> rule;                // the one that decides; "": whichever
  std::optional<Located<Verdict>> verdict;  // at least one of `rule` and `verdict` is present
};

// A claim about all clients of a place and all URLs of an internal site.
struct Reach {
  Location where;
  bool always = false;             // each URL is reached from each address; else: none is from any
  std::vector<Source> from;        // never empty
  Located<std::string> site_path;  // as written: "pool.example.local/abs/int/*"
  std::string site;                // lower case
  Path path;                       // on the site, as `external`; no regex
};

// What DNS must have besides the names of rules (`dns`); only --check --live asks it.

// An SRV record (RFC 2782), by which clients find a server.
struct ServiceRecord {
  Location where;
  Located<std::string> name;           // "_sip._tls.example.com", lower case
  std::string domain;                  // "example.com": where its targets have to be
  Located<std::string> target;         // lower case; "": any
  Located<std::uint16_t> port{0, {}};  // 0: any
};

struct AddressRecord {
  Location where;
  Located<std::string> host;                  // lower case
  std::vector<Located<IpAddress>> addresses;  // all that it has; empty: any
};

// What one client address may have: an IPv4 address, or all of an IPv6 /64.
struct FloodLimits {
  Located<std::uint32_t> connections_per_minute{600, {}};
  Located<std::uint32_t> concurrent_connections{160, {}};
  Located<std::uint32_t> half_open{80, {}};  // TLS handshakes under way; half of the line above
  Located<std::uint32_t> requests_per_minute{600, {}};
  Located<std::uint32_t> denied_per_minute{600, {}};
};

// Clients that may have more, or less. The first exception that an address is in counts.
struct FloodException {
  Location where;
  std::vector<Source> from;  // never empty
  Located<bool> unlimited{false, {}};
  FloodLimits limits;  // what the exception does not say is as for everybody
};

struct FloodMitigation {
  Located<bool> enabled{true, {}};
  FloodLimits limits;
  std::vector<FloodException> exceptions;
};

// What the process may take (`limits`); what is left out is found out at start.
struct ProcessLimits {
  Located<std::uint64_t> memory{0, {}};       // bytes; 0: most of what the machine or cgroup has
  Located<std::uint32_t> connections{0, {}};  // of clients; 0: what descriptors are there for
};

struct AccessLog {
  enum class Format : std::uint8_t { w3c, json };
  Located<std::string> path;  // "" : no access log
  Format format = Format::w3c;
};

struct Settings {
  std::string directory;  // what relative paths are relative to
  std::vector<Network> networks;
  std::vector<Located<std::string>> trusted_roots;  // files; `system` is kept as it is
  std::vector<Listener> listeners;
  std::vector<Rule> rules;  // in the order of evaluation
  std::vector<HttpFilter> http_filters;
  std::vector<Example> examples;
  std::vector<Reach> reaches;
  std::vector<ServiceRecord> services;
  std::vector<AddressRecord> hosts;
  FloodMitigation flood_mitigation;
  ProcessLimits limits;
  AccessLog access_log;
  Located<std::uint32_t> workers{0, {}};  // 0: `auto`, one a core
  Located<milliseconds> drain{milliseconds(30'000), {}};
  Located<bool> kernel_tls{false, {}};  // the kernel may have the records that it can have
};

}  // namespace ocsproxy::settings
