#include "proxy/response_writer.h"

#include <algorithm>

#include "proxy/header_policy.h"
#include "proxy/url_mapping.h"

namespace ocsproxy {
namespace {

constexpr std::size_t kMaxReason = 128;

void write_status_line(HeadWriter& out, const ResponseHead& head) {
  out.text("HTTP/1.1 ").number(head.status).text(" ");
  // Nobody acts on the phrase (RFC 9112 4), so nothing unusual needs to reach a client in it.
  char reason[kMaxReason];
  const std::size_t size = std::min(head.reason.size(), kMaxReason);
  std::transform(head.reason.begin(), head.reason.begin() + static_cast<std::ptrdiff_t>(size),
                 reason, [](char c) { return c >= ' ' && c <= '~' ? c : '?'; });
  out.text({reason, size}).text("\r\n");
}

// Does the body reach the client in chunks?
bool in_chunks(const ResponseRewrite& rewrite) {
  const BodyKind body = rewrite.framing.body;
  return rewrite.request_version == Version::http1_1 &&
         (body == BodyKind::chunked || body == BodyKind::until_close);
}

using Told = settings::HttpFilter::Told;

// What the rule's filter keeps from clients.
bool is_withheld(const rules::HttpFilter* filter, const FieldView& field) {
  if (filter == nullptr) return false;
  if (field.id == FieldId::server) return filter->settings().server_header.kind != Told::Kind::keep;
  if (field.id == FieldId::via) return filter->settings().via_header.kind != Told::Kind::keep;
  return filter->removes_response_header(field.name);
}

void write_server(HeadWriter& out, const rules::HttpFilter* filter) {
  if (filter == nullptr || filter->settings().server_header.kind != Told::Kind::replace) return;
  out.field("Server", filter->settings().server_header.text);
}

void write_via(HeadWriter& out, const ResponseHead& head, const ResponseRewrite& rewrite) {
  const Told::Kind told =
      rewrite.filter == nullptr ? Told::Kind::keep : rewrite.filter->settings().via_header.kind;
  if (told == Told::Kind::strip) return;
  out.text(head.version == Version::http1_0 ? "Via: 1.0 " : "Via: 1.1 ");
  out.foreign(told == Told::Kind::keep
                  ? rewrite.via
                  : std::string_view(rewrite.filter->settings().via_header.text));
  out.text("\r\n");
}

void write_site_fields(HeadWriter& out, const ResponseHead& head, const ResponseRewrite& rewrite) {
  const SiteNames names{*rewrite.rule, rewrite.path, rewrite.host, rewrite.client_secure};
  for (const FieldView& field : head.fields) {
    const FieldAction action = kFieldRules[static_cast<std::size_t>(field.id)].response;
    if (is_stopped(action, field, rewrite.framing.options, *rewrite.rule->delegation)) continue;
    if (is_withheld(rewrite.filter, field)) continue;
    switch (action) {
      case FieldAction::url:
        out.foreign(field.name).text(": ");
        write_public_url(out, names, field.value);
        out.text("\r\n");
        break;
      case FieldAction::cookie:
        out.foreign(field.name).text(": ");
        write_public_cookie(out, names, field.value);
        out.text("\r\n");
        break;
      case FieldAction::trailer:
        if (rewrite.framing.body == BodyKind::chunked && in_chunks(rewrite)) {
          out.field(field.name, field.value);
        }
        break;
      default:
        out.field(field.name, field.value);
        break;
    }
  }
}

void write_framing(HeadWriter& out, const ResponseRewrite& rewrite) {
  if (in_chunks(rewrite)) {
    out.text("Transfer-Encoding: chunked\r\n");
  } else if (rewrite.framing.content_length_valid) {
    out.text("Content-Length: ").number(rewrite.framing.length).text("\r\n");
  }
}

void write_connection(HeadWriter& out, const ResponseRewrite& rewrite) {
  const BodyKind body = rewrite.framing.body;
  const bool end_is_visible =
      body == BodyKind::none || body == BodyKind::length || in_chunks(rewrite);
  if (!rewrite.keep_alive || !end_is_visible) {
    out.text("Connection: close\r\n");
  } else if (rewrite.request_version == Version::http1_0) {
    out.text("Connection: keep-alive\r\n");
  }
}

}  // namespace

std::size_t write_response_head(const ResponseHead& head, const ResponseRewrite& rewrite,
                                std::span<char> out) {
  HeadWriter writer(out);
  write_status_line(writer, head);
  write_site_fields(writer, head, rewrite);
  if (rewrite.framing.tunnel) {
    writer.text("Connection: Upgrade\r\nUpgrade: websocket\r\n");
  } else if (!rewrite.framing.interim) {
    write_framing(writer, rewrite);
    write_connection(writer, rewrite);
  }
  if (!rewrite.framing.interim && !rewrite.request_id.empty()) {
    writer.field("X-Request-Id", rewrite.request_id);
  }
  write_server(writer, rewrite.filter);
  write_via(writer, head, rewrite);
  writer.text("\r\n");
  return writer.size();
}

}  // namespace ocsproxy
