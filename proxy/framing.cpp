#include "proxy/framing.h"

#include <limits>

#include "base/text.h"

namespace ocsproxy {
namespace {

// The next element of a comma-separated list, without surrounding white space; `rest` moves behind
// it. Elements may be empty (RFC 9110 5.6.1.2).
std::string_view next_element(std::string_view& rest) {
  const std::size_t comma = rest.find(',');
  const std::string_view element = trim(rest.substr(0, comma));
  rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
  return element;
}

bool list_contains(const FieldList& fields, FieldId id, std::string_view word) {
  if (!fields.has(id)) return false;
  for (const FieldView& field : fields) {
    if (field.id != id) continue;
    for (std::string_view rest = field.value; !rest.empty();) {
      if (iequals(next_element(rest), word)) return true;
    }
  }
  return false;
}

// Fields without which the message would be another one: no peer may have them removed.
bool is_indispensable(std::string_view name) {
  return iequals(name, "content-length") || iequals(name, "transfer-encoding") ||
         iequals(name, "host");
}

std::string_view add_option(std::string_view option, ConnectionOptions& options) {
  if (option.empty()) return {};
  if (!is_token(option)) return "Connection is no list of tokens";
  if (iequals(option, "close")) {
    options.close = true;
  } else if (iequals(option, "keep-alive")) {
    options.keep_alive = true;
  } else if (iequals(option, "upgrade")) {
    options.upgrade = true;
  } else if (is_indispensable(option)) {
    return "Connection names Host or a framing field";
  } else if (options.name_count == ConnectionOptions::kMaxNames) {
    return "Connection names more than 16 fields";
  } else {
    options.names[options.name_count++] = option;
  }
  return {};
}

// "" or why the Connection fields are refused.
std::string_view connection_options(const FieldList& fields, ConnectionOptions& options) {
  options = {};
  if (!fields.has(FieldId::connection)) return {};
  for (const FieldView& field : fields) {
    if (field.id != FieldId::connection) continue;
    for (std::string_view rest = field.value; !rest.empty();) {
      if (const std::string_view why = add_option(next_element(rest), options); !why.empty()) {
        return why;
      }
    }
  }
  return {};
}

bool persistent(Version version, const ConnectionOptions& options) {
  return !options.close && (version == Version::http1_1 || options.keep_alive);
}

// RFC 9110 8.6: digits only. 19 of them hold every length up to 2^63-1 and no absurd row of zeros.
bool parse_length(std::string_view text, std::uint64_t& length) {
  constexpr std::size_t kMaxDigits = 19;
  if (text.empty() || text.size() > kMaxDigits) return false;
  std::uint64_t value = 0;
  for (const char c : text) {
    if (!is_digit(c)) return false;
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
  }
  if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return false;
  length = value;
  return true;
}

struct Length {
  BodyKind kind = BodyKind::none;  // none, length or chunked
  std::uint64_t bytes = 0;
};

// What the framing fields alone say, the same for both directions but for the statuses.
Refusal announced_length(const FieldList& fields, Version version, std::uint16_t malformed,
                         std::uint16_t unknown_coding, Length& length) {
  length = {};
  const bool has_length = fields.has(FieldId::content_length);
  if (fields.has(FieldId::transfer_encoding)) {
    if (has_length) return {malformed, "both Content-Length and Transfer-Encoding"};
    if (version == Version::http1_0) return {malformed, "Transfer-Encoding in an HTTP/1.0 message"};
    if (fields.count(FieldId::transfer_encoding) > 1) {
      return {malformed, "more than one Transfer-Encoding"};
    }
    if (!iequals(fields.value(FieldId::transfer_encoding), "chunked")) {
      return {unknown_coding, "a Transfer-Encoding other than chunked"};
    }
    length.kind = BodyKind::chunked;
    return {};
  }
  if (!has_length) return {};
  if (fields.count(FieldId::content_length) > 1) {
    return {malformed, "more than one Content-Length"};
  }
  if (!parse_length(fields.value(FieldId::content_length), length.bytes)) {
    return {malformed, "Content-Length is no number from 0 to 2^63-1 of at most 19 digits"};
  }
  length.kind = BodyKind::length;
  return {};
}

// RFC 9110 10.1.1; in HTTP/1.0 the field means nothing.
Refusal expectation(const RequestHead& head, RequestFraming& framing) {
  if (!head.fields.has(FieldId::expect) || head.version == Version::http1_0) return {};
  for (const FieldView& field : head.fields) {
    if (field.id == FieldId::expect && !iequals(field.value, "100-continue")) {
      return {417, "an expectation other than 100-continue"};
    }
  }
  framing.expect_continue = framing.has_body();
  return {};
}

// RFC 6455 4.1: the opening handshake is a GET without body. Every other wish to upgrade (h2c, TLS)
// is ignored, as RFC 9110 7.8 allows.
Refusal upgrade(const RequestHead& head, RequestFraming& framing) {
  if (!framing.options.upgrade || head.version == Version::http1_0 ||
      !list_contains(head.fields, FieldId::upgrade, "websocket")) {
    return {};
  }
  if (framing.has_body()) return {400, "a WebSocket handshake with a body"};
  framing.websocket = head.method_id == Method::get;
  return {};
}

// 1xx, 204 and 304 have no body whatever their fields say, nor has an answer to HEAD.
bool is_bodyless(std::uint16_t status, Method method) {
  return status < 200 || status == 204 || status == 304 || method == Method::head;
}

Refusal switching_protocols(const ResponseHead& head, Asked asked, ResponseFraming& framing) {
  if (!asked.websocket) return {502, "101 without an upgrade in the request"};
  if (!framing.options.upgrade || head.fields.count(FieldId::upgrade) != 1 ||
      !iequals(head.fields.value(FieldId::upgrade), "websocket")) {
    return {502, "101 to a protocol other than the one asked for"};
  }
  framing.tunnel = true;
  framing.keep_alive = false;
  return {};
}

// `announced` describes bytes that will not come, except in answers to HEAD and in 304.
Refusal bodyless_response(const ResponseHead& head, Asked asked, const Length& announced,
                          ResponseFraming& framing) {
  const bool announces_bytes = announced.kind == BodyKind::chunked || announced.bytes > 0;
  if (head.status < 200) {
    if (announces_bytes) return {502, "an interim response with a body"};
    framing.interim = head.status != 101;
    return head.status == 101 ? switching_protocols(head, asked, framing) : Refusal{};
  }
  if (head.status == 204) {
    // What the upstream sends next may be that body, so nobody may read it as a response.
    if (announces_bytes) framing.keep_alive = false;
    return {};
  }
  framing.content_length_valid = announced.kind == BodyKind::length;
  framing.length = announced.bytes;
  return {};
}

}  // namespace

bool ConnectionOptions::lists(std::string_view field_name) const {
  for (std::size_t i = 0; i < name_count; ++i) {
    if (iequals(names[i], field_name)) return true;
  }
  return false;
}

Refusal request_framing(const RequestHead& head, RequestFraming& framing) {
  framing = {};
  Length length;
  if (const Refusal refusal = announced_length(head.fields, head.version, 400, 501, length)) {
    return refusal;
  }
  framing.body = length.kind;
  framing.length = length.bytes;
  if (const std::string_view why = connection_options(head.fields, framing.options); !why.empty()) {
    return {400, why};
  }
  framing.keep_alive = persistent(head.version, framing.options);
  if (const Refusal refusal = expectation(head, framing)) return refusal;
  return upgrade(head, framing);
}

Refusal response_framing(const ResponseHead& head, Asked asked, ResponseFraming& framing) {
  framing = {};
  Length length;
  if (const Refusal refusal = announced_length(head.fields, head.version, 502, 502, length)) {
    return refusal;
  }
  if (const std::string_view why = connection_options(head.fields, framing.options); !why.empty()) {
    return {502, why};
  }
  framing.keep_alive = persistent(head.version, framing.options);
  if (is_bodyless(head.status, asked.method)) {
    return bodyless_response(head, asked, length, framing);
  }
  framing.body = length.kind == BodyKind::none ? BodyKind::until_close : length.kind;
  framing.length = length.bytes;
  framing.content_length_valid = length.kind == BodyKind::length;
  if (framing.body == BodyKind::until_close) framing.keep_alive = false;
  return {};
}

}  // namespace ocsproxy
