// The published site has two names: the public one that clients use, and the internal one. These
// functions carry URLs in header fields from one to the other by the mapping of the rule that
// decided the request. A URL that names neither is not touched, nor is anything behind the path.
// No allocation; pure functions of their arguments.
#pragma once

#include <cstdint>
#include <string_view>

#include "proxy/head_writer.h"
#include "proxy/host.h"
#include "settings/settings.h"

namespace ocsproxy {

// One request's names for the site. The references must outlive it.
struct SiteNames {
  const settings::Rule& rule;  // the rule that allowed the request: it has a target
  std::uint32_t path = 0;      // which of its paths matched
  const RequestHost& host;     // the public name as the client wrote it
  bool client_secure = false;  // the client came over TLS
};

// The Host that the internal site is asked for: its own name, or the public one with
// `original_host`.
void write_site_host(HeadWriter& out, const SiteNames& names);
// The site as it knows itself: "https://ocspool.contoso.local".
void write_internal_origin(HeadWriter& out, const SiteNames& names);

// Referer and Origin of a request: "https://ocsweb.contoso.com/abs/x" becomes
// "https://ocspool.contoso.local/abs/ext/x" where the URL is of the very origin (RFC 6454) that the
// request is for.
void write_internal_url(HeadWriter& out, const SiteNames& names, std::string_view url);

// Location and Content-Location of a response. The internal site is recognised by its name or its
// configured address, with the port it is reached at or none, under http and https alike (a site
// behind `bridging: http` believes that it is served over http). Absolute paths are mapped too.
void write_public_url(HeadWriter& out, const SiteNames& names, std::string_view url);

// A Set-Cookie value (RFC 6265 5.2): Domain becomes the public name where it is the site's name or
// a domain above it that the public name is not in; Path is mapped as in Location.
void write_public_cookie(HeadWriter& out, const SiteNames& names, std::string_view cookie);

}  // namespace ocsproxy
