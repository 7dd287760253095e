// The TLS client side towards internal sites, in one worker.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "settings/settings.h"
#include "tls/openssl.h"
#include "tls/trusted_roots.h"

namespace ocsproxy {

// What a target's certificate must satisfy. Targets with equal policies share a context.
struct UpstreamPolicy {
  std::shared_ptr<const TrustedRoots> roots;
  settings::TlsVersion minimum_version = settings::TlsVersion::tls1_2;
  // Accepts what servers of 2007 offer: SHA-1 signatures, RSA keys from 1024 bits on, peers without
  // secure renegotiation, and, if minimum_version says so, TLS 1.0 (without `legacy` the least is
  // 1.2 whatever it says). MD5 is refused even so.
  bool legacy = false;

  // Equal for equal policies only: a hash over the roots, and the switches. Part of the keys of
  // pooled connections and of kept sessions, so that neither escapes a changed policy.
  std::string identity() const;
};

// Verification is never off: chain to the roots, purpose TLS server, and the site's name in the
// subject alternative names (RFC 9525; the common name is no name, a wildcard is a whole label).
// One thread. `library` must outlive it and the SSL objects made from it; those may outlive it.
class UpstreamContext {
 public:
  // Precondition: policy.roots is not null. It may be empty: then no site is trusted.
  static Result<std::unique_ptr<UpstreamContext>> make(const Library& library,
                                                       const UpstreamPolicy& policy);

  // A connection in connect state, without BIOs, that will send SNI for `site` (an IP address has
  // none, RFC 6066 3), offer ALPN http/1.1 and verify `site`: a host name, one trailing dot
  // allowed, or the text of an IP address without brackets.
  Result<SslPtr> new_ssl(std::string_view site) const;

  const std::string& identity() const { return identity_; }

  UpstreamContext(const UpstreamContext&) = delete;
  UpstreamContext& operator=(const UpstreamContext&) = delete;

 private:
  UpstreamContext(SslCtxPtr context, std::string identity, bool legacy)
      : context_(std::move(context)), identity_(std::move(identity)), legacy_(legacy) {}

  SslCtxPtr context_;
  std::string identity_;
  bool legacy_;
};

// To be asked once when SSL_connect has succeeded, before the first byte is sent: is the
// certificate verified (now, or when the resumed session was made), and did the site choose a
// protocol that was offered (RFC 7301 3.2)? Not every OpenSSL 3.0 looks at the latter.
Status accept_upstream_handshake(const SSL* ssl);

}  // namespace ocsproxy
