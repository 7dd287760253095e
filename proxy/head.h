// The heads of HTTP/1 messages as the parser leaves them: views into the buffer that received them,
// with every field name that some later step asks about recognised once. Nothing here owns bytes: a
// head is valid as long as that buffer neither moves nor changes. Plain values, no thread affinity.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace ocsproxy {

// The fields that the proxy itself reads, removes, rewrites or writes; all others are `other`.
enum class FieldId : std::uint8_t {
  other,
  underscore,  // a name with "_": CGI-style servers read it as "-"; such a name is no known field

  // Framing and connection (RFC 9110 7.6.1, RFC 9112 6): never go further as they came.
  connection,
  content_length,
  http2_settings,
  keep_alive,
  proxy_authenticate,
  proxy_authentication_info,
  proxy_authorization,
  proxy_connection,
  te,
  trailer,
  transfer_encoding,
  upgrade,

  // Routing and control of the request.
  expect,
  host,
  max_forwards,
  via,

  // Who the client claims to be, and what only a trusted front may say.
  forwarded,
  front_end_https,
  proxy,  // becomes HTTP_PROXY in a CGI program
  x_forwarded_for,
  x_forwarded_host,
  x_forwarded_proto,
  x_forwarded_other,  // any other X-Forwarded-*
  x_original_url,
  x_real_ip,
  x_request_id,
  x_rewrite_url,
  x_ssl_client,  // any X-SSL-Client-*, Client-Cert and X-Client-Cert: the identity in a certificate

  // Credentials.
  authentication_info,
  authorization,
  cookie,
  set_cookie,
  www_authenticate,

  // What holds a name or a path of the published site.
  content_location,
  destination,
  location,
  origin,
  referer,

  // What describes the content or how to handle it; not valid in a trailer section.
  age,
  cache_control,
  content_encoding,
  content_range,
  content_type,
  content_other,  // any other Content-*
  expires,
  pragma,
  range,
  retry_after,
  vary,
  warning,

  // What the log, local answers and tunnels ask for.
  date,
  sec_websocket,  // any Sec-WebSocket-*
  server,
  user_agent,

  count_,  // number of ids, no field
};
inline constexpr std::size_t kFieldIds = static_cast<std::size_t>(FieldId::count_);
static_assert(kFieldIds <= 64, "FieldList keeps one bit an id");

// The id of a field name, without regard to case.
FieldId field_id(std::string_view name);

enum class Method : std::uint8_t { other, get, head, post, put, del, options, connect, trace };
// Methods are case-sensitive (RFC 9110 9.1): "get" is `other`.
Method method_id(std::string_view method);

enum class Version : std::uint8_t { http1_0, http1_1 };

struct FieldView {
  std::string_view name;   // as received, a token, never empty
  std::string_view value;  // as received without surrounding spaces and tabs; may be empty
  FieldId id = FieldId::other;
};

// The fields of one message in the order received, at most kMax. A mask of the ids present makes
// asking for an absent field free, which is what most questions are.
class FieldList {
 public:
  static constexpr std::size_t kMax = 100;

  // False, and nothing added, when the list is full.
  bool add(const FieldView& field) {
    if (size_ == kMax) return false;
    std::construct_at(&slots_[size_++].field, field);
    present_ |= bit(field.id);
    return true;
  }
  void clear() {
    size_ = 0;
    present_ = 0;
  }

  const FieldView* begin() const { return &slots_.front().field; }
  const FieldView* end() const { return begin() + size_; }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  const FieldView& operator[](std::size_t index) const { return slots_[index].field; }

  bool has(FieldId id) const { return (present_ & bit(id)) != 0; }
  // The first field with that id; nullptr when absent.
  const FieldView* find(FieldId id) const {
    if (!has(id)) return nullptr;
    const FieldView* field = begin();
    while (field->id != id) ++field;
    return field;
  }
  // The value of the first field with that id; "" when absent.
  std::string_view value(FieldId id) const {
    const FieldView* field = find(id);
    return field == nullptr ? std::string_view() : field->value;
  }
  std::size_t count(FieldId id) const {
    if (!has(id)) return 0;
    std::size_t found = 0;
    for (const FieldView& field : *this) found += field.id == id ? 1 : 0;
    return found;
  }

 private:
  static constexpr std::uint64_t bit(FieldId id) {
    return std::uint64_t{1} << static_cast<unsigned>(id);
  }

  // Not a plain array of fields, which would set 4 KB to zero for each head.
  union Slot {
    Slot() {}
    FieldView field;
  };
  std::array<Slot, kMax> slots_;
  std::size_t size_ = 0;
  std::uint64_t present_ = 0;
};

// Why a message is not served: the status to answer with and a sentence for the log. The sentence
// is a literal: it lives for ever and repeats nothing that a peer sent. False: there is no
// objection.
struct Refusal {
  std::uint16_t status = 0;
  std::string_view why;
  explicit operator bool() const { return status != 0; }
};

struct RequestHead {
  std::string_view method;  // as received, a token
  Method method_id = Method::other;
  std::string_view target;  // as received, not empty, no space, control or non-ASCII byte
  Version version = Version::http1_1;
  FieldList fields;
};

struct ResponseHead {
  std::uint16_t status = 0;  // 100..999
  std::string_view reason;   // may be empty
  Version version = Version::http1_1;
  FieldList fields;
};

}  // namespace ocsproxy
