#include "proxy/url_mapping.h"

#include <algorithm>
#include <optional>
#include <span>

#include "base/ip_address.h"
#include "base/text.h"
#include "rules/canonical_target.h"
#include "rules/path_mapping.h"

namespace ocsproxy {
namespace {

using settings::Bridging;

// A URL reference as far as it can name a site: http, https, or without a scheme.
struct Reference {
  enum class Kind : std::uint8_t {
    elsewhere,  // another scheme, or a relative path, which holds on both sides as it is
    path,       // "/path"
    authority,  // "https://name/path" or "//name/path"
  };
  Kind kind = Kind::elsewhere;
  std::string_view scheme;  // "http" or "https" as written; "" when there is none
  std::string_view authority;
  std::string_view path;  // may be empty behind an authority
  std::string_view rest;  // query and fragment
};

std::string_view scheme_of(std::string_view url) {
  for (const std::string_view scheme : {std::string_view("https"), std::string_view("http")}) {
    if (istarts_with(url, scheme) && url.substr(scheme.size()).starts_with("://")) {
      return url.substr(0, scheme.size());
    }
  }
  return {};
}

Reference split(std::string_view url) {
  Reference result;
  result.scheme = scheme_of(url);
  if (!result.scheme.empty()) url.remove_prefix(result.scheme.size() + 1);
  if (url.starts_with("//")) {
    url.remove_prefix(2);
    result.kind = Reference::Kind::authority;
    result.authority = url.substr(0, url.find_first_of("/?#"));
    url.remove_prefix(result.authority.size());
  } else if (url.starts_with('/')) {
    result.kind = Reference::Kind::path;
  } else {
    return {};
  }
  result.path = url.substr(0, url.find_first_of("?#"));
  result.rest = url.substr(result.path.size());
  return result;
}

constexpr std::string_view scheme_text(bool https) { return https ? "https" : "http"; }
constexpr std::uint16_t default_port(bool https) { return https ? 443 : 80; }

bool bridged_over_tls(const SiteNames& names) { return *names.rule.bridging == Bridging::https; }

// ---- paths

using Mapping = std::optional<std::string_view> (*)(const settings::Path&, std::string_view,
                                                    std::span<char>);

// By the path that matched the request, else by the first of the rule that maps it. False, and
// nothing written, when none does.
bool append_mapped(HeadWriter& out, const SiteNames& names, std::string_view path, Mapping map) {
  const auto by = [&](const settings::Path& mapping) {
    if (mapping.kind == settings::Path::Kind::regex) return false;
    const std::size_t longest =
        path.size() + std::max(mapping.internal.size(), mapping.external.size());
    if (longest > out.room().size()) {
      out.spoil();
      return true;
    }
    const auto mapped = map(mapping, path, out.room());
    if (mapped) out.append(*mapped);
    return mapped.has_value();
  };
  if (by(names.rule.paths[names.path])) return true;
  return std::any_of(names.rule.paths.begin(), names.rule.paths.end(), by);
}

void write_path(HeadWriter& out, const SiteNames& names, std::string_view path, Mapping map) {
  if (path.empty() || !append_mapped(out, names, path, map)) out.foreign(path);
}

// ---- who is meant

// Is it the origin that the request itself is for?
bool is_public_origin(const SiteNames& names, const Reference& url) {
  const rules::Authority& host = names.host.authority;
  if (!iequals(url.scheme, scheme_text(names.client_secure)) || host.name.empty()) return false;
  char buffer[rules::kAuthorityBufferSize];
  rules::Authority authority;
  if (!rules::parse_authority(url.authority, buffer, authority)) return false;
  const auto port = [&](const rules::Authority& of) {
    return of.port != 0 ? of.port : default_port(names.client_secure);
  };
  return authority.name == host.name && port(authority) == port(host);
}

bool is_internal_name(const settings::Target& to, std::string_view name) {
  return iequals(*to.site, name) ||
         std::any_of(to.addresses.begin(), to.addresses.end(),
                     [&](const auto& address) { return iequals(*address, name); });
}

// Does the site mean itself?
bool is_internal_site(const SiteNames& names, const Reference& url) {
  const settings::Target& to = *names.rule.to;
  char buffer[rules::kAuthorityBufferSize];
  rules::Authority authority;
  if (!rules::parse_authority(url.authority, buffer, authority)) return false;
  const bool at_its_port = authority.port == 0 || authority.port == *to.port;
  if (is_internal_name(to, authority.name)) return at_its_port;
  // With original_host it knows the public name only, and the scheme that it is reached with.
  if (!to.original_host || authority.name != names.host.authority.name) return false;
  if (!url.scheme.empty() && !iequals(url.scheme, scheme_text(bridged_over_tls(names)))) {
    return false;
  }
  return at_its_port || authority.port == names.host.authority.port;
}

// "https://ocsweb.contoso.com", or nothing when the client named no host.
void write_public_origin(HeadWriter& out, const SiteNames& names, const Reference& url) {
  if (names.host.as_sent.empty()) return;
  // A site that is reached over http and says https sends its client to https: going on with http
  // would be a circle.
  const bool upgrade =
      !names.client_secure && !bridged_over_tls(names) && iequals(url.scheme, "https");
  out.text(scheme_text(names.client_secure || upgrade)).text("://");
  if (upgrade && !names.host.authority.is_address) {
    out.foreign(names.host.authority.name);  // the port is that of http
  } else {
    out.foreign(names.host.as_sent);
  }
}

// ---- cookies

// RFC 6265 5.1.3.
bool domain_matches(std::string_view host, std::string_view domain) {
  if (!iends_with(host, domain)) return false;
  return host.size() == domain.size() || host[host.size() - domain.size() - 1] == '.';
}

void write_domain(HeadWriter& out, const SiteNames& names, std::string_view attribute,
                  std::string_view value) {
  const std::string_view domain = value.starts_with('.') ? value.substr(1) : value;
  const rules::Authority& host = names.host.authority;
  const bool internal = !domain.empty() && domain_matches(*names.rule.to->site, domain);
  if (!internal || domain_matches(host.name, domain)) {
    out.text(";").foreign(attribute);
  } else if (!host.name.empty() && !host.is_address) {
    out.text("; Domain=").foreign(host.name);
  }
  // Else the cookie is for the host that the client named, and no other.
}

// The site's cookie is for a part of it that holds all that the rule's path publishes.
bool holds_published_path(const settings::Path& mapping, std::string_view cookie_path) {
  if (cookie_path.ends_with('/')) cookie_path.remove_suffix(1);
  const auto below = [&](std::string_view path) {
    return istarts_with(path, cookie_path) && path.substr(cookie_path.size()).starts_with('/');
  };
  return !cookie_path.empty() && mapping.kind != settings::Path::Kind::regex &&
         below(mapping.internal) && !below(mapping.external);
}

void write_cookie_path(HeadWriter& out, const SiteNames& names, std::string_view attribute,
                       std::string_view value) {
  const settings::Path& matched = names.rule.paths[names.path];
  if (!value.starts_with('/')) {
    out.text(";").foreign(attribute);
    return;
  }
  out.text("; Path=");
  if (append_mapped(out, names, value, &rules::external_path)) return;
  if (holds_published_path(matched, value)) {
    out.foreign(matched.external.empty() ? "/" : std::string_view(matched.external));
  } else {
    out.foreign(value);
  }
}

}  // namespace

void write_site_host(HeadWriter& out, const SiteNames& names) {
  const settings::Target& to = *names.rule.to;
  if (to.original_host && !names.host.as_sent.empty()) {
    out.foreign(names.host.as_sent);
    return;
  }
  const bool v6 = (*to.site).find(':') != std::string::npos;
  out.text(v6 ? "[" : "").foreign(*to.site).text(v6 ? "]" : "");
  if (*to.port != default_port(bridged_over_tls(names))) out.text(":").number(*to.port);
}

void write_internal_origin(HeadWriter& out, const SiteNames& names) {
  out.text(scheme_text(bridged_over_tls(names))).text("://");
  write_site_host(out, names);
}

void write_internal_url(HeadWriter& out, const SiteNames& names, std::string_view url) {
  const Reference parts = split(url);
  if (parts.kind != Reference::Kind::authority || !is_public_origin(names, parts)) {
    out.foreign(url);
    return;
  }
  write_internal_origin(out, names);
  write_path(out, names, parts.path, &rules::internal_path);
  out.foreign(parts.rest);
}

void write_public_url(HeadWriter& out, const SiteNames& names, std::string_view url) {
  const Reference parts = split(url);
  const bool by_name = parts.kind == Reference::Kind::authority;
  if (parts.kind == Reference::Kind::elsewhere || (by_name && !is_internal_site(names, parts))) {
    out.foreign(url);
    return;
  }
  if (by_name) write_public_origin(out, names, parts);
  write_path(out, names, parts.path.empty() ? "/" : parts.path, &rules::external_path);
  out.foreign(parts.rest);
}

void write_public_cookie(HeadWriter& out, const SiteNames& names, std::string_view cookie) {
  std::size_t end = cookie.find(';');
  out.foreign(cookie.substr(0, end));
  while (end != std::string_view::npos) {
    cookie.remove_prefix(end + 1);
    end = cookie.find(';');
    const std::string_view attribute = cookie.substr(0, end);
    const std::size_t equals = attribute.find('=');
    const std::string_view name = trim(attribute.substr(0, equals));
    const std::string_view value =
        equals == std::string_view::npos ? std::string_view() : trim(attribute.substr(equals + 1));
    if (iequals(name, "domain")) {
      write_domain(out, names, attribute, value);
    } else if (iequals(name, "path")) {
      write_cookie_path(out, names, attribute, value);
    } else {
      out.text(";").foreign(attribute);
    }
  }
}

}  // namespace ocsproxy
