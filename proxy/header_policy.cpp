#include "proxy/header_policy.h"

namespace ocsproxy {
namespace {

struct Row {
  FieldId id;
  FieldRule rule;
};

using enum FieldAction;

// Every id once; the table below does not compile otherwise.
constexpr Row kRows[] = {
    // id                                 of a request  of a response
    {FieldId::other, {pass, pass}},
    // A CGI-style site reads "X_Forwarded_For" as the field that the proxy vouches for.
    {FieldId::underscore, {drop, pass}},

    // What belongs to one connection; what the next one needs of it is written anew.
    {FieldId::connection, {drop, drop}},
    {FieldId::content_length, {drop, drop}},
    {FieldId::http2_settings, {drop, drop}},
    {FieldId::keep_alive, {drop, drop}},
    {FieldId::proxy_authenticate, {drop, drop}},
    {FieldId::proxy_authentication_info, {drop, drop}},
    {FieldId::proxy_authorization, {drop, drop}},
    {FieldId::proxy_connection, {drop, drop}},
    {FieldId::te, {drop, drop}},
    {FieldId::trailer, {trailer, trailer}},
    {FieldId::transfer_encoding, {drop, drop}},
    {FieldId::upgrade, {drop, drop}},

    // Written from what was decided. Via is a list: our element follows the others.
    {FieldId::expect, {drop, pass}},
    {FieldId::host, {drop, pass}},
    {FieldId::max_forwards, {pass, pass}},
    {FieldId::via, {pass, pass}},

    // What a site believes of the front it trusts.
    {FieldId::forwarded, {drop, pass}},
    {FieldId::front_end_https, {drop, pass}},
    {FieldId::proxy, {drop, pass}},
    {FieldId::x_forwarded_for, {drop, pass}},
    {FieldId::x_forwarded_host, {drop, pass}},
    {FieldId::x_forwarded_proto, {drop, pass}},
    {FieldId::x_forwarded_other, {drop, pass}},
    {FieldId::x_original_url, {drop, pass}},
    {FieldId::x_real_ip, {drop, pass}},
    {FieldId::x_request_id, {drop, drop}},
    {FieldId::x_rewrite_url, {drop, pass}},
    {FieldId::x_ssl_client, {drop, pass}},

    {FieldId::authentication_info, {pass, credentials}},
    {FieldId::authorization, {credentials, pass}},
    {FieldId::cookie, {pass, pass}},
    {FieldId::set_cookie, {pass, cookie}},
    {FieldId::www_authenticate, {pass, credentials}},

    {FieldId::content_location, {pass, url}},
    {FieldId::destination, {destination, pass}},
    {FieldId::location, {pass, url}},
    {FieldId::origin, {url, pass}},
    {FieldId::referer, {url, pass}},

    {FieldId::age, {pass, pass}},
    {FieldId::cache_control, {pass, pass}},
    {FieldId::content_encoding, {pass, pass}},
    {FieldId::content_range, {pass, pass}},
    {FieldId::content_type, {pass, pass}},
    {FieldId::content_other, {pass, pass}},
    {FieldId::expires, {pass, pass}},
    {FieldId::pragma, {pass, pass}},
    {FieldId::range, {pass, pass}},
    {FieldId::retry_after, {pass, pass}},
    {FieldId::vary, {pass, pass}},
    {FieldId::warning, {pass, pass}},

    {FieldId::date, {pass, pass}},
    {FieldId::sec_websocket, {pass, pass}},
    {FieldId::server, {pass, pass}},
    {FieldId::user_agent, {pass, pass}},
};

constexpr bool every_id_once() {
  std::array<int, kFieldIds> seen{};
  for (const Row& row : kRows) ++seen[static_cast<std::size_t>(row.id)];
  for (const int times : seen) {
    if (times != 1) return false;
  }
  return true;
}
static_assert(every_id_once());

constexpr std::array<FieldRule, kFieldIds> by_id() {
  std::array<FieldRule, kFieldIds> rules{};
  for (const Row& row : kRows) rules[static_cast<std::size_t>(row.id)] = row.rule;
  return rules;
}

}  // namespace

constinit const std::array<FieldRule, kFieldIds> kFieldRules = by_id();

}  // namespace ocsproxy
