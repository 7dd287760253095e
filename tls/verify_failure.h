// Why a TLS handshake failed, in one sentence for the administrator.
#pragma once

#include <string>

#include "base/error.h"
#include "tls/openssl.h"

namespace ocsproxy {

// After SSL_connect has failed with SSL_ERROR_SSL, on an SSL object from UpstreamContext. Reads and
// clears the thread's error queue, so it must be asked before any other SSL call. The kind is
// `untrusted` when the certificate was not accepted (nothing was sent, another server may be
// tried), `truncated` when the site ended the connection, else `tls`.
Error upstream_handshake_failure(const SSL* ssl);

// After SSL_accept has failed with SSL_ERROR_SSL, on an SSL object from ServerContext: short words,
// since the Internet sends many of these.
Error client_handshake_failure(const SSL* ssl);

// What is wrong with the certificate that `verification` stopped at, when `site` was expected.
// Advises `to.tls.legacy` where that would help and `legacy` does not say that it is set.
std::string verify_failure(X509_STORE_CTX* verification, const std::string& site, bool legacy);

}  // namespace ocsproxy
