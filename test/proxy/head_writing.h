// Heads on their way through the proxy, for tests: parsed by the real parser, judged as an exchange
// would judge them, written by the real writers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip_address.h"
#include "proxy/framing.h"
#include "settings/settings.h"

namespace ocsproxy::test {

inline constexpr std::string_view kPseudonym = "ocsproxy-7f3a";
inline constexpr std::string_view kRequestId = "00c0ffee00c0ffee";

// "/dir/*" or "/file"; without `internal` it is not mapped.
settings::Path path(std::string external, std::string internal = "");

// Publishes all of ocspool.contoso.local (192.168.1.105:443); clients may authenticate directly.
settings::Rule ocs_rule(std::vector<settings::Path> paths = {path("/*")});
settings::Rule with(settings::Rule rule, settings::Bridging bridging, std::uint16_t port);
settings::Rule with_original_host(settings::Rule rule);
settings::Rule without_delegation(settings::Rule rule);

// What is known besides the message. `path`: which path of the rule matched.
struct Situation {
  settings::Rule rule = ocs_rule();
  std::uint32_t path = 0;
  bool client_secure = true;
  std::string client_address = "198.51.100.7";
  std::size_t room = std::size_t{64} * 1024;
  bool destination_judged = true;
};

// The head that goes upstream; "" when it does not fit. A message that is refused on the way fails
// the test.
std::string written_request(std::string_view text, const Situation& situation = {});

struct ResponseSituation : Situation {
  Asked asked{};
  Version request_version = Version::http1_1;
  std::string host = "ocsweb.contoso.com";  // "": the client named none
  bool keep_alive = true;
};
std::string written_response(std::string_view text, const ResponseSituation& situation = {});

// The lines of a head that carry a field with that name (in any case), as they are, without CRLF.
std::vector<std::string> lines_of(std::string_view head, std::string_view name);
// The one value of that field; "(none)" and "(several)" are what no value is.
std::string value_of(std::string_view head, std::string_view name);

}  // namespace ocsproxy::test
