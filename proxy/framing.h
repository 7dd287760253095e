// Where a message ends, and whether its connection lives on (RFC 9112 6 and 9). These decisions are
// made here alone and strictly: a message whose length two parsers could see differently is
// refused. Pure functions, no allocation.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "proxy/head.h"

namespace ocsproxy {

// What the Connection fields of one message say (RFC 9110 7.6.1).
struct ConnectionOptions {
  static constexpr std::size_t kMaxNames = 16;

  bool close = false;
  bool keep_alive = false;
  bool upgrade = false;
  // The options that are neither of these: names of fields that go no further, as received.
  std::array<std::string_view, kMaxNames> names{};
  std::size_t name_count = 0;

  bool lists(std::string_view field_name) const;
};

enum class BodyKind : std::uint8_t {
  none,
  length,       // exactly `length` bytes, possibly 0
  chunked,      // proxy/chunked.h knows the end
  until_close,  // responses only: until the upstream closes
};

struct RequestFraming {
  BodyKind body = BodyKind::none;
  std::uint64_t length = 0;  // when `body` is length
  bool keep_alive = false;   // the client connection may carry another request after this one
  bool websocket = false;    // a valid wish to switch to WebSocket; any other Upgrade is ignored
  bool expect_continue = false;  // wait for 100 before the body, which there is
  ConnectionOptions options;

  bool has_body() const { return body == BodyKind::chunked || length > 0; }
};

// 400: ambiguous or malformed framing or connection options; 501: a transfer coding other than
// chunked; 417: an expectation other than 100-continue. After a refusal the connection must close.
Refusal request_framing(const RequestHead& head, RequestFraming& framing);

struct ResponseFraming {
  BodyKind body = BodyKind::none;
  std::uint64_t length = 0;  // when `body` is length
  bool keep_alive = false;   // the upstream connection may serve another request after the body
  bool interim = false;      // 1xx other than 101: a further head follows
  bool tunnel = false;       // 101 as asked for: bytes follow in both directions
  // Content-Length may go on as it came: `length`, or the length that HEAD and 304 describe. When
  // false, a Content-Length in the head must not be sent on.
  bool content_length_valid = false;
  ConnectionOptions options;
};

// What the request that the response answers asked for.
struct Asked {
  Method method = Method::get;
  bool websocket = false;  // its Upgrade went upstream
};

// The refusal is always 502, and the upstream connection is then not to be used again.
Refusal response_framing(const ResponseHead& head, Asked asked, ResponseFraming& framing);

}  // namespace ocsproxy
