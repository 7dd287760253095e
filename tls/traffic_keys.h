// Where the keys of a connection's application data come from.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "tls/openssl.h"
#include "tls/record_protection.h"
#include "tls/vector_gcm.h"

namespace ocsproxy {

// Derives keys from traffic secrets (RFC 8446 7.3). One a worker, on its thread; outlives what it
// makes.
class TrafficKeys {
 public:
  explicit TrafficKeys(const Library& library, const VectorGcm& gcm = {});
  TrafficKeys(const TrafficKeys&) = delete;  // what it makes points at it
  TrafficKeys& operator=(const TrafficKeys&) = delete;
  // Of the library: what tells the secrets.
  KeySchedule& schedule() const { return library_.key_schedule(); }
  // Null when `suite` is none of AES-GCM and ChaCha20-Poly1305.
  const EVP_CIPHER* cipher_of(const SSL_CIPHER* suite) const;
  // Empty without a cipher, for a secret of no known length, and when OpenSSL has no memory.
  RecordProtection derive(const EVP_CIPHER* cipher, std::span<const unsigned char> secret);
  // Replaces the secret by the next one (RFC 8446 7.2), and derives from that.
  RecordProtection update(const EVP_CIPHER* cipher, std::span<unsigned char> secret);
  // Of a connection of TLS 1.2 whose handshake has ended (RFC 5246 6.3), for kernel TLS alone: with
  // AES-GCM the last eight bytes of an IV are random, the first explicit nonce (RFC 5288 3). Empty
  // as above.
  BothWays derive_tls1_2(const SSL* ssl);

 private:
  bool expand_tls1_2(const SSL* ssl, std::span<unsigned char> into) const;
  bool expand(std::span<const unsigned char> secret, std::string_view label,
              std::span<unsigned char> into);

  EvpCipherPtr aes_128_gcm_;
  EvpCipherPtr aes_256_gcm_;
  EvpCipherPtr chacha20_poly1305_;
  const Library& library_;
  const VectorGcm gcm_;
  EvpKdfPtr tls1_prf_;
};

}  // namespace ocsproxy
