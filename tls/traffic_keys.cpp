#include "tls/traffic_keys.h"

#include <algorithm>
#include <string_view>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>

#include "tls/key_schedule.h"

namespace ocsproxy {

TrafficKeys::TrafficKeys(const Library& library, const VectorGcm& gcm)
    : aes_128_gcm_(EVP_CIPHER_fetch(library.get(), "AES-128-GCM", nullptr)),
      aes_256_gcm_(EVP_CIPHER_fetch(library.get(), "AES-256-GCM", nullptr)),
      chacha20_poly1305_(EVP_CIPHER_fetch(library.get(), "ChaCha20-Poly1305", nullptr)),
      library_(library),
      gcm_(gcm),
      tls1_prf_(EVP_KDF_fetch(library.get(), "TLS1-PRF", nullptr)) {
  ERR_clear_error();  // what is missing is not used
}

const EVP_CIPHER* TrafficKeys::cipher_of(const SSL_CIPHER* suite) const {
  switch (suite == nullptr ? NID_undef : SSL_CIPHER_get_cipher_nid(suite)) {
    case NID_aes_128_gcm:
      return aes_128_gcm_.get();
    case NID_aes_256_gcm:
      return aes_256_gcm_.get();
    case NID_chacha20_poly1305:
      return chacha20_poly1305_.get();
    default:
      return nullptr;
  }
}

RecordProtection TrafficKeys::derive(const EVP_CIPHER* cipher,
                                     std::span<const unsigned char> secret) {
  if (cipher == nullptr) return {};
  std::array<unsigned char, 32> key;
  std::array<unsigned char, 12> iv;
  const auto key_size = static_cast<std::size_t>(EVP_CIPHER_get_key_length(cipher));
  RecordProtection made;
  if (expand(secret, "key", std::span(key).first(key_size)) && expand(secret, "iv", iv))
    made = RecordProtection(cipher, &gcm_, std::span(key).first(key_size), iv);
  OPENSSL_cleanse(key.data(), key.size());
  OPENSSL_cleanse(iv.data(), iv.size());
  return made;
}

RecordProtection TrafficKeys::update(const EVP_CIPHER* cipher, std::span<unsigned char> secret) {
  if (!expand(secret, "traffic upd", secret)) return {};
  return derive(cipher, secret);
}

BothWays TrafficKeys::derive_tls1_2(const SSL* ssl) {
  const EVP_CIPHER* const cipher = cipher_of(SSL_get_current_cipher(ssl));
  if (cipher == nullptr || SSL_version(ssl) != TLS1_2_VERSION) return {};
  const auto key_size = static_cast<std::size_t>(EVP_CIPHER_get_key_length(cipher));
  // AES-GCM's salt (RFC 5288 3), ChaCha20's whole nonce (RFC 7905 2).
  const std::size_t iv_size = cipher == chacha20_poly1305_.get() ? 12 : 4;
  // The client's key, the server's, the client's IV, the server's.
  std::array<unsigned char, std::size_t{2} * (32 + 12)> block{};
  BothWays made;
  if (expand_tls1_2(ssl, std::span(block).first(2 * (key_size + iv_size)))) {
    const auto keys_of = [&](std::size_t side) {
      std::array<unsigned char, 12> iv{};
      library_.random(iv);
      std::copy_n(block.data() + 2 * key_size + side * iv_size, iv_size, iv.begin());
      return RecordProtection(cipher, &gcm_, std::span(block).subspan(side * key_size, key_size),
                              iv);
    };
    const std::size_t ours = SSL_is_server(ssl) == 1 ? 1 : 0;
    made = {.in = keys_of(1 - ours), .out = keys_of(ours)};
  }
  OPENSSL_cleanse(block.data(), block.size());
  return made;
}

// PRF(master secret, "key expansion", server random + client random).
bool TrafficKeys::expand_tls1_2(const SSL* ssl, std::span<unsigned char> into) const {
  constexpr std::string_view kLabel = "key expansion";
  constexpr std::size_t kRandomSize = SSL3_RANDOM_SIZE;
  std::array<unsigned char, kLabel.size() + 2 * kRandomSize> seed{};
  std::copy(kLabel.begin(), kLabel.end(), seed.begin());
  SSL_get_server_random(ssl, seed.data() + kLabel.size(), kRandomSize);
  SSL_get_client_random(ssl, seed.data() + kLabel.size() + kRandomSize, kRandomSize);
  std::array<unsigned char, SSL_MAX_MASTER_KEY_LENGTH> secret{};
  const std::size_t secret_size =
      SSL_SESSION_get_master_key(SSL_get_session(ssl), secret.data(), secret.size());
  const EVP_MD* const digest = SSL_CIPHER_get_handshake_digest(SSL_get_current_cipher(ssl));
  const EvpKdfCtxPtr context(tls1_prf_ == nullptr ? nullptr : EVP_KDF_CTX_new(tls1_prf_.get()));
  bool done = false;
  if (context != nullptr && digest != nullptr && secret_size != 0) {
    std::string name = EVP_MD_get0_name(digest);
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, name.data(), 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, secret.data(), secret_size),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, seed.data(), seed.size()),
        OSSL_PARAM_construct_end()};
    done = EVP_KDF_derive(context.get(), into.data(), into.size(), parameters) == 1;
  }
  OPENSSL_cleanse(secret.data(), secret.size());
  if (!done) ERR_clear_error();
  return done;
}

// The suites differ in their hash, and so in the length of their secrets.
bool TrafficKeys::expand(std::span<const unsigned char> secret, std::string_view label,
                         std::span<unsigned char> into) {
  if (secret.size() != 32 && secret.size() != 48) return false;
  const auto hash = secret.size() == 32 ? KeySchedule::Hash::sha256 : KeySchedule::Hash::sha384;
  return schedule().expand_label(hash, secret, label, {}, into);
}

}  // namespace ocsproxy
