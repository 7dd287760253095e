#include "proxy/host.h"

namespace ocsproxy {

Refusal request_host(const RequestHead& head, std::string_view target_authority,
                     std::uint16_t listener_port, std::span<char> buffer, RequestHost& host) {
  host = {};
  const std::size_t hosts = head.fields.count(FieldId::host);
  if (hosts > 1) return {400, "more than one Host"};
  if (hosts == 0 && head.version == Version::http1_1) return {400, "HTTP/1.1 without Host"};
  if (hosts == 1) {
    host.as_sent = head.fields.value(FieldId::host);
    if (!rules::parse_authority(host.as_sent, buffer, host.authority)) {
      return {400, "Host is malformed"};
    }
  }
  if (target_authority.empty()) return {};

  // RFC 9112 3.2.2: absolute-form wins over whatever Host says.
  host.as_sent = target_authority;
  if (!rules::parse_authority(target_authority, buffer, host.authority)) {
    return {400, "the authority of the request target is malformed"};
  }
  if (host.authority.port != 0 && host.authority.port != listener_port) {
    return {400, "the request target names another port than the listener's"};
  }
  return {};
}

}  // namespace ocsproxy
