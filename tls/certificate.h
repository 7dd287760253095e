// A certificate with its private key, as a listener presents it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/ip_address.h"
#include "tls/openssl.h"
#include "tls/secret.h"
#include "tls/x509_text.h"

namespace ocsproxy {

enum class CertificateFault : std::uint8_t {
  none,
  not_a_certificate,   // the bytes hold no certificate, or a broken one
  no_key,              // they hold no private key, or a broken one
  passphrase_missing,  // the key is encrypted and no passphrase was given
  passphrase_wrong,
  key_mismatch,    // the key is that of no certificate there
  leaf_not_first,  // it is that of another certificate than the first
  too_weak,        // no listener may use it: RSA below 2048 bits, or a SHA-1 signature
};

struct ParsedCertificate;

// OpenSSL's security level for all that is not `legacy`: 112 bits, so RSA from 2048 bits on, no
// SHA-1 signature, no TLS 1.1.
inline constexpr int kSecurityLevel = 2;

// Parsed once and kept as bytes, because an OpenSSL object that several workers share would be
// locked and counted by all of them: each worker makes its own from here. Immutable; shared by all
// workers; the private key is wiped on destruction.
class Certificate {
 public:
  // `chain` is PEM, the leaf first, then its issuers; `key` is PEM and may be the same text. Blocks
  // of other kinds in either are skipped. `passphrase` is used if the key is encrypted.
  static ParsedCertificate from_pem(const Library& library, std::string_view chain,
                                    std::string_view key, const Secret& passphrase);
  // The same without the key, for who may not read it: a certificate that can be asked, and that no
  // context takes.
  static ParsedCertificate from_chain(const Library& library, std::string_view chain);
  // PKCS#12. `library` must have the legacy algorithms if files made by old Windows are to be read.
  static ParsedCertificate from_pfx(const Library& library, std::string_view pfx,
                                    const Secret& passphrase);

  // The names that the certificate is for, in lower case; the subject's common name is none
  // (RFC 9525). Names with control bytes or non-ASCII bytes are left out: no host has them.
  const std::vector<std::string>& dns_names() const { return dns_names_; }
  const std::vector<IpAddress>& addresses() const { return addresses_; }
  // Is the certificate for this host? `name` is a host name without a trailing dot (any case), or
  // the text of an IP address without brackets.
  bool covers(std::string_view name) const;

  // DER, the leaf first.
  const std::vector<std::vector<unsigned char>>& chain() const { return chain_; }
  CertificateTime not_before() const { return not_before_; }
  CertificateTime not_after() const { return not_after_; }
  const std::string& subject() const { return subject_; }  // printable, for messages
  const std::string& issuer() const { return issuer_; }
  const std::string& key_type() const { return key_type_; }        // "RSA 2048", "EC P-256"
  const std::string& fingerprint() const { return fingerprint_; }  // SHA-256, lower-case hex

  // Puts chain and key into a context of the calling thread's library.
  Status install(const Library& library, SSL_CTX* context) const;

 private:
  Certificate() = default;
  // All but the key.
  static std::shared_ptr<Certificate> describe(const Library& library,
                                               const std::vector<X509Ptr>& chain);
  static ParsedCertificate make(const Library& library, const std::vector<X509Ptr>& chain,
                                EVP_PKEY* key);

  std::vector<std::vector<unsigned char>> chain_;  // DER, the leaf first
  Secret key_;                                     // DER
  std::vector<std::string> dns_names_;
  std::vector<IpAddress> addresses_;
  CertificateTime not_before_;
  CertificateTime not_after_;
  std::string subject_;
  std::string issuer_;
  std::string key_type_;
  std::string fingerprint_;
};

struct ParsedCertificate {
  std::shared_ptr<const Certificate> certificate;  // null: `fault` says why
  CertificateFault fault = CertificateFault::none;
  std::string detail;  // one sentence for the administrator, without a full stop
};

}  // namespace ocsproxy
