#include "proxy/request_writer.h"

#include <array>

#include "base/text.h"
#include "proxy/header_policy.h"
#include "proxy/url_mapping.h"
#include "rules/path_mapping.h"

namespace ocsproxy {
namespace {

void write_mapped_path(HeadWriter& out, const settings::Path& mapping, std::string_view path) {
  const auto mapped = rules::internal_path(mapping, path, out.room());
  if (mapped) {
    out.append(*mapped);
  } else {
    out.spoil();  // no room; that the path is not matched was excluded when it was judged
  }
}

void write_request_line(HeadWriter& out, const RequestHead& head, const RequestRewrite& rewrite) {
  out.foreign(head.method).text(" ");
  write_mapped_path(out, rewrite.rule->paths[rewrite.path], rewrite.target.path);
  out.foreign(rewrite.target.query).text(" HTTP/1.1\r\n");
}

void write_destination(HeadWriter& out, const RequestRewrite& rewrite, const SiteNames& names) {
  if (rewrite.destination.path.empty()) return;
  out.text("Destination: ");
  write_internal_origin(out, names);
  write_mapped_path(out, rewrite.rule->paths[rewrite.destination_path], rewrite.destination.path);
  out.foreign(rewrite.destination.query).text("\r\n");
}

void write_client_fields(HeadWriter& out, const RequestHead& head, const RequestRewrite& rewrite,
                         const SiteNames& names) {
  for (const FieldView& field : head.fields) {
    const FieldAction action = kFieldRules[static_cast<std::size_t>(field.id)].request;
    if (is_stopped(action, field, rewrite.framing.options, *rewrite.rule->delegation)) continue;
    switch (action) {
      case FieldAction::url:
        out.foreign(field.name).text(": ");
        write_internal_url(out, names, field.value);
        out.text("\r\n");
        break;
      case FieldAction::destination:
        write_destination(out, rewrite, names);
        break;
      case FieldAction::trailer:
        if (rewrite.framing.body == BodyKind::chunked) out.field(field.name, field.value);
        break;
      default:
        out.field(field.name, field.value);
        break;
    }
  }
}

// Trailer fields reach the client where its chunks do (RFC 9110 6.5.1): only who takes HTTP/1.1 and
// said so, and meant the next hop alone.
bool takes_trailers(const RequestHead& head, const RequestFraming& framing) {
  if (!head.fields.has(FieldId::te) || head.version == Version::http1_0) return false;
  if (!framing.options.lists("te")) return false;
  for (const FieldView& field : head.fields) {
    if (field.id == FieldId::te && iequals(field.value, "trailers")) return true;
  }
  return false;
}

void write_connection(HeadWriter& out, const RequestHead& head, const RequestFraming& framing) {
  if (framing.websocket) {
    out.text("Connection: Upgrade\r\nUpgrade: websocket\r\n");
  } else if (takes_trailers(head, framing)) {
    out.text("Connection: TE\r\nTE: trailers\r\n");
  }
}

void write_framing(HeadWriter& out, const RequestFraming& framing) {
  if (framing.body == BodyKind::chunked) {
    out.text("Transfer-Encoding: chunked\r\n");
  } else if (framing.body == BodyKind::length) {
    out.text("Content-Length: ").number(framing.length).text("\r\n");
  }
  if (framing.expect_continue) out.text("Expect: 100-continue\r\n");
}

void write_own_fields(HeadWriter& out, const RequestHead& head, const RequestRewrite& rewrite) {
  std::array<char, IpAddress::kTextSize> address;
  out.text("X-Forwarded-For: ").text(rewrite.client_address.write(address));
  out.text("\r\nX-Forwarded-Proto: ").text(rewrite.client_secure ? "https" : "http").text("\r\n");
  if (!rewrite.host.as_sent.empty()) out.field("X-Forwarded-Host", rewrite.host.as_sent);
  // Outlook Web Access and others write https URLs only when they see it.
  if (rewrite.client_secure) out.text("Front-End-Https: on\r\n");
  out.field("X-Request-Id", rewrite.request_id);
  out.text(head.version == Version::http1_0 ? "Via: 1.0 " : "Via: 1.1 ");
  out.foreign(rewrite.via).text("\r\n\r\n");
}

// The received-by part of one element of Via: "1.1 name (comment)".
std::string_view received_by(std::string_view element) {
  element = trim(element);
  const std::size_t space = element.find_first_of(" \t");
  if (space == std::string_view::npos) return {};
  const std::string_view rest = trim(element.substr(space));
  return rest.substr(0, rest.find_first_of(" \t("));
}

}  // namespace

std::size_t write_request_head(const RequestHead& head, const RequestRewrite& rewrite,
                               std::span<char> out) {
  const SiteNames names{*rewrite.rule, rewrite.path, rewrite.host, rewrite.client_secure};
  HeadWriter writer(out);
  write_request_line(writer, head, rewrite);
  writer.text("Host: ");
  write_site_host(writer, names);
  writer.text("\r\n");
  write_client_fields(writer, head, rewrite, names);
  write_connection(writer, head, rewrite.framing);
  write_framing(writer, rewrite.framing);
  write_own_fields(writer, head, rewrite);
  return writer.size();
}

bool request_loops(const RequestHead& head, std::string_view via) {
  if (!head.fields.has(FieldId::via)) return false;
  for (const FieldView& field : head.fields) {
    if (field.id != FieldId::via) continue;
    // A comma in a comment makes elements that nobody wrote; what one of them could pretend is a
    // loop, which harms its sender only.
    for (std::string_view rest = field.value; !rest.empty();) {
      const std::size_t comma = rest.find(',');
      if (iequals(received_by(rest.substr(0, comma)), via)) return true;
      rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
    }
  }
  return false;
}

}  // namespace ocsproxy
