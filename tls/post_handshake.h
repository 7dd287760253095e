// What a peer may do to an established TLS connection besides sending data: little.
#pragma once

#include <string_view>

#include "tls/openssl.h"

namespace ocsproxy {

// A TLS 1.3 peer may change its keys that often; by the protocol's own limits (RFC 8446 5.5) that
// is enough for terabytes, and each change costs us a key derivation (and an answer).
inline constexpr unsigned kMostKeyUpdates = 64;
inline constexpr const char* kTooManyKeyUpdates = "the peer changed its TLS keys too often";

// Records without data, and alerts that end nothing, in a row: OpenSSL's own bounds.
inline constexpr unsigned kMostEmptyRecords = 32;
inline constexpr const char* kEmptyRecords = "the peer sends empty TLS records without end";
inline constexpr unsigned kMostWarnings = 4;
inline constexpr const char* kWarnings = "the peer sends TLS warnings without end";

inline constexpr const char* kClientRenegotiates =
    "the client tried to renegotiate TLS, which is refused";
inline constexpr const char* kSiteRenegotiates =
    "the site tried to renegotiate TLS, which is refused; IIS does so to ask for a client "
    "certificate: set it to ignore client certificates on this path";

// For connections whose records are OpenSSL's.
//
// Refuses renegotiation on all connections of `context` and begins to count for misconduct().
// Takes the context's info callback.
void watch_post_handshake(SSL_CTX* context);

// To be asked whenever SSL_read or SSL_write did not transfer data: "" or, if the peer tried to
// renegotiate or changed its keys too often, one sentence, and then the connection should be
// ended. OpenSSL answers each attempt and goes on for ever. `ssl` is of a watched context.
std::string_view misconduct(const SSL* ssl);

}  // namespace ocsproxy
