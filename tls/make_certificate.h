// Makes certificates: the lab's CA and what it issues, and every certificate that a test needs,
// the broken ones included. Not for production use: keys leave as text.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "tls/openssl.h"

namespace ocsproxy {

// What to put into a certificate. The defaults are a good server certificate; tests bend them.
struct CertificateRequest {
  using Time = std::chrono::system_clock::time_point;
  enum class Key : std::uint8_t { p256, p384, rsa2048, rsa1024 };
  enum class Digest : std::uint8_t { sha256, sha1, md5 };
  enum class Usage : std::uint8_t {
    server,     // extended key usage: server authentication
    client,     // extended key usage: client authentication only
    any,        // no extended key usage at all
    authority,  // a CA: basic constraints, may sign certificates
  };

  std::string common_name;                // the subject; "" for an empty subject
  std::vector<std::string> dns_names;     // written as they are, even with a NUL inside
  std::vector<std::string> ip_addresses;  // texts that IpAddress::parse reads
  Usage usage = Usage::server;
  Key key = Key::p256;
  Digest digest = Digest::sha256;  // of the signature
  Time not_before = std::chrono::system_clock::now() - std::chrono::hours(1);
  Time not_after = std::chrono::system_clock::now() + std::chrono::hours(24 * 365);
};

struct MadeCertificate {
  std::string certificate;  // PEM, this certificate alone
  std::string key;          // PEM (PKCS#8), not encrypted
};

// Makes a key and a certificate for it, signed by `issuer`, or by itself when that is null. An
// intermediate CA is a request with Usage::authority and an issuer. Fails only for a request that
// cannot be written down (an address that is none) or an issuer whose PEM is broken.
Result<MadeCertificate> make_certificate(const Library& library, const CertificateRequest& request,
                                         const MadeCertificate* issuer = nullptr);

// A CA that lasts ten years.
CertificateRequest authority_request(std::string common_name);
// A server certificate for `names`, of which the first is the common name too.
CertificateRequest server_request(std::vector<std::string> names);

}  // namespace ocsproxy
