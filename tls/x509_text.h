// What a parsed certificate says, in our types and in words for the administrator.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip_address.h"
#include "tls/openssl.h"

namespace ocsproxy {

using CertificateTime = std::chrono::system_clock::time_point;

// The DNS names of the subject alternative name, byte for byte (a peer may put anything there).
std::vector<std::string> dns_names_of(const X509* certificate);
// Its IP addresses; those of another length than 4 or 16 bytes are left out.
std::vector<IpAddress> addresses_of(const X509* certificate);
// The common name of `name`, or the whole name as RFC 4514 writes it when it has none; printable.
std::string name_text(const X509_NAME* name);
// The first common name, printable; "" when there is none.
std::string common_name_of(const X509* certificate);
// RFC 5280 4.1.2.5. A date that cannot be read is the beginning of time, which is never valid.
CertificateTime time_of(const ASN1_TIME* time);
// "2026-01-31 12:00:00 UTC"
std::string utc_text(CertificateTime time);
// "RSA 2048", "EC P-256"
std::string key_text(const EVP_PKEY* key);
// The digest under a certificate's signature: "SHA256", "SHA1".
std::string digest_text(X509* certificate);

// RFC 9525 6.3: does `pattern`, a DNS name of a certificate, stand for the host `name`? Without
// regard to case; a wildcard is the whole left-most label, stands for one label, and what follows
// it has at least two labels. `name` is a plain host name without a trailing dot.
bool dns_name_covers(std::string_view pattern, std::string_view name);

}  // namespace ocsproxy
