// The response head that the client receives, made from the one that the internal site sent. No
// allocation; a pure function.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "proxy/framing.h"
#include "proxy/head.h"
#include "proxy/host.h"
#include "rules/http_filter.h"
#include "settings/settings.h"

namespace ocsproxy {

// What is known of the exchange. References and views must live during the call.
struct ResponseRewrite {
  const settings::Rule* rule;  // allowed the request: it has a target
  std::uint32_t path = 0;      // which of its paths matched
  Version request_version = Version::http1_1;
  const ResponseFraming& framing;
  const RequestHost& host;     // the public name as the client wrote it
  bool client_secure = false;  // the client came over TLS
  bool keep_alive = false;     // the client connection is to live on after this response
  std::string_view via;        // our pseudonym
  const rules::HttpFilter* filter = nullptr;  // of the rule; null for none
  std::string_view request_id;  // goes into X-Request-Id of final responses; "" leaves it out
};

// The head, from status line to empty line, at the beginning of `out`; returns its size, or 0 when
// it does not fit. `out` must not overlap what the arguments refer to. Interim responses (1xx) are
// written like all others. A body that ends by closing is announced as chunked to HTTP/1.1, and to
// HTTP/1.0 every body without a length as one that ends by closing: there "Connection: close" is
// sent whatever `keep_alive` says.
std::size_t write_response_head(const ResponseHead& head, const ResponseRewrite& rewrite,
                                std::span<char> out);

}  // namespace ocsproxy
