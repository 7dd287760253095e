#include "tls/traffic_keys.h"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

#include <openssl/core_names.h>
#include <openssl/params.h>

namespace ocsproxy {
namespace {

constexpr unsigned char kApplicationData = 23;

const unsigned char* bytes(const char* text) {
  return reinterpret_cast<const unsigned char*>(text);
}
unsigned char* bytes(char* text) { return reinterpret_cast<unsigned char*>(text); }

EvpMacCtxPtr hmac(EVP_MAC* algorithm, const char* digest) {
  EvpMacCtxPtr context(algorithm == nullptr ? nullptr : EVP_MAC_CTX_new(algorithm));
  std::string name(digest);
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name.data(), 0),
      OSSL_PARAM_construct_end()};
  if (context == nullptr || EVP_MAC_CTX_set_params(context.get(), parameters) != 1) return nullptr;
  return context;
}

}  // namespace

// ---- records

RecordProtection::RecordProtection(const EVP_CIPHER* cipher, std::span<const unsigned char> key,
                                   std::span<const unsigned char, 12> iv)
    : cipher_(cipher), key_size_(static_cast<std::uint8_t>(key.size())) {
  std::copy(key.begin(), key.end(), key_.begin());
  std::copy(iv.begin(), iv.end(), iv_.begin());
}

RecordProtection::RecordProtection(RecordProtection&& other) noexcept { *this = std::move(other); }

RecordProtection& RecordProtection::operator=(RecordProtection&& other) noexcept {
  if (this == &other) return *this;
  cipher_ = std::exchange(other.cipher_, nullptr);
  context_ = std::move(other.context_);
  sequence_ = other.sequence_;
  key_ = other.key_;
  iv_ = other.iv_;
  key_size_ = other.key_size_;
  OPENSSL_cleanse(other.key_.data(), other.key_.size());
  OPENSSL_cleanse(other.iv_.data(), other.iv_.size());
  return *this;
}

RecordProtection::~RecordProtection() {
  OPENSSL_cleanse(key_.data(), key_.size());
  OPENSSL_cleanse(iv_.data(), iv_.size());
}

RecordProtection RecordProtection::twin() const {
  RecordProtection other(cipher_, std::span(key_).first(key_size_), iv_);
  other.sequence_ = sequence_;
  return other;
}

// The nonce is the sequence number over the IV (5.3); the header is authenticated with the rest.
bool RecordProtection::begin(Use use, std::span<const char> header) {
  const int sealing = use == Use::seal ? 1 : 0;
  if (context_ == nullptr) {
    context_.reset(EVP_CIPHER_CTX_new());
    if (context_ == nullptr ||
        EVP_CipherInit_ex(context_.get(), cipher_, nullptr, key_.data(), nullptr, sealing) != 1) {
      context_.reset();
      return false;
    }
  }
  std::array<unsigned char, 12> nonce = iv_;
  for (std::size_t i = 0; i < 8; ++i)
    nonce[4 + i] ^= static_cast<unsigned char>(sequence_ >> (56 - 8 * i));
  ++sequence_;
  int size = 0;
  return EVP_CipherInit_ex(context_.get(), nullptr, nullptr, nullptr, nonce.data(), sealing) == 1 &&
         EVP_CipherUpdate(context_.get(), nullptr, &size, bytes(header.data()),
                          static_cast<int>(header.size())) == 1;
}

std::size_t RecordProtection::seal(std::span<const char> first, std::span<const char> second,
                                   std::span<const char> third, char* out) {
  const std::size_t body = first.size() + second.size() + third.size() + kTagSize;
  out[0] = static_cast<char>(kApplicationData);
  out[1] = 3;
  out[2] = 3;
  out[3] = static_cast<char>(body >> 8);
  out[4] = static_cast<char>(body & 0xff);
  if (!begin(Use::seal, {out, kHeaderSize})) return 0;
  char* at = out + kHeaderSize;
  int size = 0;
  for (const std::span<const char> piece : {first, second, third}) {
    if (piece.empty()) continue;
    if (EVP_EncryptUpdate(context_.get(), bytes(at), &size, bytes(piece.data()),
                          static_cast<int>(piece.size())) != 1) {
      return 0;
    }
    at += size;
  }
  if (EVP_EncryptFinal_ex(context_.get(), bytes(at), &size) != 1 ||
      EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_GET_TAG, kTagSize, at) != 1) {
    return 0;
  }
  return kHeaderSize + body;
}

bool RecordProtection::open(std::span<const char> record, char* out) {
  if (!begin(Use::open, record.first(kHeaderSize))) return false;
  const std::span<const char> sealed =
      record.subspan(kHeaderSize).first(record.size() - kHeaderSize - kTagSize);
  std::array<char, kTagSize> tag;
  std::copy_n(sealed.data() + sealed.size(), kTagSize, tag.begin());
  int size = 0;
  return EVP_DecryptUpdate(context_.get(), bytes(out), &size, bytes(sealed.data()),
                           static_cast<int>(sealed.size())) == 1 &&
         EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_SET_TAG, kTagSize, tag.data()) == 1 &&
         EVP_DecryptFinal_ex(context_.get(), bytes(out) + size, &size) == 1;
}

// ---- keys

TrafficKeys::TrafficKeys(const Library& library)
    : aes_128_gcm_(EVP_CIPHER_fetch(library.get(), "AES-128-GCM", nullptr)),
      aes_256_gcm_(EVP_CIPHER_fetch(library.get(), "AES-256-GCM", nullptr)),
      chacha20_poly1305_(EVP_CIPHER_fetch(library.get(), "ChaCha20-Poly1305", nullptr)) {
  const EvpMacPtr algorithm(EVP_MAC_fetch(library.get(), "HMAC", nullptr));
  hmac_sha256_ = hmac(algorithm.get(), "SHA256");
  hmac_sha384_ = hmac(algorithm.get(), "SHA384");
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

// The suites differ in their hash, and so in the length of their secrets.
EVP_MAC_CTX* TrafficKeys::mac_for(std::size_t secret_size) const {
  if (secret_size == 32) return hmac_sha256_.get();
  return secret_size == 48 ? hmac_sha384_.get() : nullptr;
}

RecordProtection TrafficKeys::derive(const EVP_CIPHER* cipher,
                                     std::span<const unsigned char> secret) {
  EVP_MAC_CTX* const mac = mac_for(secret.size());
  if (cipher == nullptr || mac == nullptr) return {};
  std::array<unsigned char, 32> key;
  std::array<unsigned char, 12> iv;
  const auto key_size = static_cast<std::size_t>(EVP_CIPHER_get_key_length(cipher));
  RecordProtection made;
  if (expand(mac, secret, "key", std::span(key).first(key_size)) && expand(mac, secret, "iv", iv))
    made = RecordProtection(cipher, std::span(key).first(key_size), iv);
  OPENSSL_cleanse(key.data(), key.size());
  OPENSSL_cleanse(iv.data(), iv.size());
  // It would remember the secret.
  static constexpr std::array<unsigned char, 48> kNothing{};
  (void)EVP_MAC_init(mac, kNothing.data(), secret.size(), nullptr);
  return made;
}

RecordProtection TrafficKeys::update(const EVP_CIPHER* cipher, std::span<unsigned char> secret) {
  EVP_MAC_CTX* const mac = mac_for(secret.size());
  if (mac == nullptr || !expand(mac, secret, "traffic upd", secret)) return {};
  return derive(cipher, secret);
}

// HKDF-Expand-Label with an empty context (7.1). What is asked for fits into one block of HMAC, so
// HKDF-Expand (RFC 5869 2.3) is its first.
bool TrafficKeys::expand(EVP_MAC_CTX* mac, std::span<const unsigned char> secret,
                         std::string_view label, std::span<unsigned char> into) {
  constexpr std::string_view kPrefix = "tls13 ";
  std::array<unsigned char, 32> info;
  std::size_t size = 0;
  const auto add = [&](std::size_t byte) { info[size++] = static_cast<unsigned char>(byte); };
  add(into.size() >> 8);
  add(into.size() & 0xff);
  add(kPrefix.size() + label.size());
  for (const char c : kPrefix) add(static_cast<unsigned char>(c));
  for (const char c : label) add(static_cast<unsigned char>(c));
  add(0);  // no context
  add(1);  // the first block
  std::array<unsigned char, EVP_MAX_MD_SIZE> block;
  std::size_t block_size = 0;
  const bool done = EVP_MAC_init(mac, secret.data(), secret.size(), nullptr) == 1 &&
                    EVP_MAC_update(mac, info.data(), size) == 1 &&
                    EVP_MAC_final(mac, block.data(), &block_size, block.size()) == 1 &&
                    block_size >= into.size();
  if (done) std::copy_n(block.begin(), into.size(), into.begin());
  OPENSSL_cleanse(block.data(), block.size());
  return done;
}

}  // namespace ocsproxy
