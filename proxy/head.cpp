#include "proxy/head.h"

#include "base/text.h"

namespace ocsproxy {
namespace {

struct Known {
  std::string_view name;  // lower case
  FieldId id;
};

constexpr Known kKnown[] = {
    {"age", FieldId::age},
    {"authentication-info", FieldId::authentication_info},
    {"authorization", FieldId::authorization},
    {"cache-control", FieldId::cache_control},
    {"client-cert", FieldId::x_ssl_client},
    {"client-cert-chain", FieldId::x_ssl_client},
    {"connection", FieldId::connection},
    {"content-encoding", FieldId::content_encoding},
    {"content-length", FieldId::content_length},
    {"content-location", FieldId::content_location},
    {"content-range", FieldId::content_range},
    {"content-type", FieldId::content_type},
    {"cookie", FieldId::cookie},
    {"date", FieldId::date},
    {"destination", FieldId::destination},
    {"expect", FieldId::expect},
    {"expires", FieldId::expires},
    {"forwarded", FieldId::forwarded},
    {"front-end-https", FieldId::front_end_https},
    {"host", FieldId::host},
    {"http2-settings", FieldId::http2_settings},
    {"keep-alive", FieldId::keep_alive},
    {"location", FieldId::location},
    {"max-forwards", FieldId::max_forwards},
    {"origin", FieldId::origin},
    {"pragma", FieldId::pragma},
    {"proxy", FieldId::proxy},
    {"proxy-authenticate", FieldId::proxy_authenticate},
    {"proxy-authentication-info", FieldId::proxy_authentication_info},
    {"proxy-authorization", FieldId::proxy_authorization},
    {"proxy-connection", FieldId::proxy_connection},
    {"range", FieldId::range},
    {"referer", FieldId::referer},
    {"retry-after", FieldId::retry_after},
    {"server", FieldId::server},
    {"set-cookie", FieldId::set_cookie},
    {"te", FieldId::te},
    {"trailer", FieldId::trailer},
    {"transfer-encoding", FieldId::transfer_encoding},
    {"true-client-ip", FieldId::x_real_ip},
    {"upgrade", FieldId::upgrade},
    {"user-agent", FieldId::user_agent},
    {"vary", FieldId::vary},
    {"via", FieldId::via},
    {"warning", FieldId::warning},
    {"www-authenticate", FieldId::www_authenticate},
    {"x-arr-clientcert", FieldId::x_ssl_client},
    {"x-arr-ssl", FieldId::x_ssl_client},
    {"x-client-cert", FieldId::x_ssl_client},
    {"x-client-ip", FieldId::x_real_ip},
    {"x-cluster-client-ip", FieldId::x_real_ip},
    {"x-forwarded-for", FieldId::x_forwarded_for},
    {"x-forwarded-host", FieldId::x_forwarded_host},
    {"x-forwarded-proto", FieldId::x_forwarded_proto},
    {"x-original-host", FieldId::x_original_url},
    {"x-original-url", FieldId::x_original_url},
    {"x-real-ip", FieldId::x_real_ip},
    {"x-request-id", FieldId::x_request_id},
    {"x-rewrite-url", FieldId::x_rewrite_url},
};

constexpr Known kPrefixes[] = {
    {"content-", FieldId::content_other},
    {"sec-websocket-", FieldId::sec_websocket},
    {"x-forwarded-", FieldId::x_forwarded_other},
    {"x-ssl-client-", FieldId::x_ssl_client},
};

// An open-addressing table over length, first and last letter: a name that is no known field costs
// one empty probe as a rule, a known one a single comparison.
constexpr std::size_t kSlots = 256;
constexpr std::size_t kLongestName = 25;

constexpr std::size_t slot_of(std::string_view name) {
  const auto letter = [](char c) {
    return static_cast<std::size_t>(static_cast<unsigned char>(to_lower(c)));
  };
  const std::size_t mixed = name.size() * 7 + letter(name.front()) * 31 +
                            letter(name.back()) * 101 + letter(name[name.size() / 2]) * 13;
  return mixed % kSlots;
}

constexpr std::array<std::uint8_t, kSlots> make_slots() {
  std::array<std::uint8_t, kSlots> slots{};  // index into kKnown plus one; 0 is empty
  std::uint8_t next = 1;
  for (const Known& known : kKnown) {
    std::size_t slot = slot_of(known.name);
    while (slots[slot] != 0) slot = (slot + 1) % kSlots;
    slots[slot] = next++;
  }
  return slots;
}
constexpr std::array<std::uint8_t, kSlots> kSlotTable = make_slots();

constexpr bool longest_name_fits() {
  for (const Known& known : kKnown) {
    if (known.name.size() > kLongestName) return false;
  }
  return true;
}
static_assert(longest_name_fits());

FieldId id_by_prefix(std::string_view name) {
  for (const Known& prefix : kPrefixes) {
    if (to_lower(name.front()) == prefix.name.front() && istarts_with(name, prefix.name)) {
      return prefix.id;
    }
  }
  return FieldId::other;
}

}  // namespace

FieldId field_id(std::string_view name) {
  if (name.empty()) return FieldId::other;
  if (name.size() <= kLongestName) {
    for (std::size_t slot = slot_of(name); kSlotTable[slot] != 0; slot = (slot + 1) % kSlots) {
      const Known& known = kKnown[kSlotTable[slot] - 1U];
      if (iequals(known.name, name)) return known.id;
    }
  }
  const FieldId id = id_by_prefix(name);
  return name.find('_') == std::string_view::npos ? id : FieldId::underscore;
}

Method method_id(std::string_view method) {
  switch (method.size()) {
    case 3:
      if (method == "GET") return Method::get;
      if (method == "PUT") return Method::put;
      break;
    case 4:
      if (method == "POST") return Method::post;
      if (method == "HEAD") return Method::head;
      break;
    case 5:
      if (method == "TRACE") return Method::trace;
      break;
    case 6:
      if (method == "DELETE") return Method::del;
      break;
    case 7:
      if (method == "OPTIONS") return Method::options;
      if (method == "CONNECT") return Method::connect;
      break;
    default:
      break;
  }
  return Method::other;
}

}  // namespace ocsproxy
