// What both sides of the proxy speak: versions, ciphers, groups, the application protocol.
#pragma once

#include <string_view>

#include "base/error.h"
#include "settings/settings.h"
#include "tls/openssl.h"

namespace ocsproxy {

// The one application protocol (RFC 7301), as it is registered.
inline constexpr std::string_view kProtocol = "http/1.1";

// A context with everything set that both sides share, and nothing left to a default that a
// distribution or a later OpenSSL may have changed: versions, security level, groups, TLS 1.3
// ciphers, modes. `library` must outlive it.
Result<SslCtxPtr> make_context(const Library& library, const SSL_METHOD* method,
                               settings::TlsVersion minimum_version);

// TLS 1.2 towards clients: forward secrecy and AEAD only. AES first where the processor has
// instructions for it, else ChaCha20.
const char* server_ciphers();
// TLS 1.2 towards sites: the same first, then what Windows Server up to 2012 R2 can do with an RSA
// certificate (CBC, RSA key exchange).
const char* upstream_ciphers();

// The error queue as the error of a context that cannot be made.
Error context_error();

}  // namespace ocsproxy
