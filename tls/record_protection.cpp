#include "tls/record_protection.h"

#include <algorithm>
#include <utility>

#include <openssl/crypto.h>

namespace ocsproxy {

RecordProtection::RecordProtection(const EVP_CIPHER* cipher, const VectorGcm* gcm,
                                   std::span<const unsigned char> key,
                                   std::span<const unsigned char, 12> iv)
    : cipher_(cipher), gcm_(gcm), key_size_(static_cast<std::uint8_t>(key.size())) {
  std::copy(key.begin(), key.end(), key_.begin());
  std::copy(iv.begin(), iv.end(), iv_.begin());
}

RecordProtection::RecordProtection(RecordProtection&& other) noexcept { *this = std::move(other); }

RecordProtection& RecordProtection::operator=(RecordProtection&& other) noexcept {
  if (this == &other) return *this;
  cipher_ = std::exchange(other.cipher_, nullptr);
  gcm_ = other.gcm_;
  expanded_ = std::move(other.expanded_);
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
  RecordProtection other(cipher_, gcm_, key(), iv_);
  other.sequence_ = sequence_;
  return other;
}

bool RecordProtection::expand() {
  if (expanded_ != nullptr) return true;
  const bool by_gcm = gcm_ != nullptr && *gcm_ && EVP_CIPHER_get_mode(cipher_) == EVP_CIPH_GCM_MODE;
  expanded_ = by_gcm ? gcm_->expand(key()) : openssl_aead_key(cipher_, key());
  return expanded_ != nullptr;
}

// The sequence number over the IV (5.3).
AeadKey::Nonce RecordProtection::next_nonce() {
  AeadKey::Nonce nonce = iv_;
  for (std::size_t i = 0; i < 8; ++i)
    nonce[4 + i] ^= static_cast<unsigned char>(sequence_ >> (56 - 8 * i));
  ++sequence_;
  return nonce;
}

std::size_t RecordProtection::seal(std::span<const char> first, std::span<const char> second,
                                   std::span<const char> third, char* out) {
  const std::size_t body = first.size() + second.size() + third.size() + kTagSize;
  out[0] = SSL3_RT_APPLICATION_DATA;
  out[1] = 3;
  out[2] = 3;
  out[3] = static_cast<char>(body >> 8);
  out[4] = static_cast<char>(body & 0xff);
  const std::array pieces{first, second, third};
  if (!expand() || !expanded_->seal(next_nonce(), {out, kHeaderSize}, pieces, out + kHeaderSize))
    return 0;
  return kHeaderSize + body;
}

bool RecordProtection::open(std::span<const char> record, char* out) {
  return expand() &&
         expanded_->open(next_nonce(), record.first(kHeaderSize), record.subspan(kHeaderSize), out);
}

}  // namespace ocsproxy
