// The keys of TLS 1.3's application data, and what is done with them record by record.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "tls/openssl.h"

namespace ocsproxy {

using EvpMacPtr = std::unique_ptr<EVP_MAC, OpensslDeleter<EVP_MAC_free>>;
using EvpMacCtxPtr = std::unique_ptr<EVP_MAC_CTX, OpensslDeleter<EVP_MAC_CTX_free>>;
using EvpCipherCtxPtr = std::unique_ptr<EVP_CIPHER_CTX, OpensslDeleter<EVP_CIPHER_CTX_free>>;

// The protection of one direction of a connection (RFC 8446 5.2 to 5.4). Move-only; the key is
// wiped in the end. A call fails only when OpenSSL has no memory, or when a record is not
// authentic.
class RecordProtection {
 public:
  static constexpr std::size_t kHeaderSize = 5;
  static constexpr std::size_t kTagSize = 16;
  static constexpr std::size_t kLargestContent = std::size_t{1} << 14;
  // A record has at most so many bytes behind its header, padding included.
  static constexpr std::size_t kLargestBody = kLargestContent + 256;
  static constexpr std::size_t kLargestRecord = kHeaderSize + kLargestBody;
  static constexpr std::size_t kOverhead = kHeaderSize + 1 + kTagSize;  // of a record of ours

  RecordProtection() = default;
  // `cipher` outlives it; `key` has the length that it wants.
  RecordProtection(const EVP_CIPHER* cipher, std::span<const unsigned char> key,
                   std::span<const unsigned char, 12> iv);
  RecordProtection(RecordProtection&& other) noexcept;
  RecordProtection& operator=(RecordProtection&& other) noexcept;
  ~RecordProtection();

  explicit operator bool() const { return cipher_ != nullptr; }
  std::uint64_t sequence() const { return sequence_; }
  void set_sequence(std::uint64_t sequence) { sequence_ = sequence; }
  const EVP_CIPHER* cipher() const { return cipher_; }
  // The same keys at the same place of the sequence, for the other use.
  RecordProtection twin() const;

  // Writes the record whose inner plaintext (RFC 8446 5.2) is the three pieces in a row, at most
  // kLargestBody - kTagSize bytes, to `out`. Returns its size, 0 on failure.
  std::size_t seal(std::span<const char> first, std::span<const char> second,
                   std::span<const char> third, char* out);
  // Writes the inner plaintext of `record`, which has at least a tag behind its header, to `out`:
  // record.size() - kHeaderSize - kTagSize bytes, or rubbish and false. `out` may be where the
  // record's body lies.
  bool open(std::span<const char> record, char* out);

  // Gives back the memory that only the next record needs: a connection falls idle.
  void shed() { context_.reset(); }

 private:
  enum class Use : std::uint8_t { seal, open };
  bool begin(Use use, std::span<const char> header);

  const EVP_CIPHER* cipher_ = nullptr;
  EvpCipherCtxPtr context_;
  std::uint64_t sequence_ = 0;
  std::array<unsigned char, 32> key_{};
  std::array<unsigned char, 12> iv_{};
  std::uint8_t key_size_ = 0;
};

// Derives keys from traffic secrets (RFC 8446 7.3). One a worker, on its thread; outlives what it
// makes.
class TrafficKeys {
 public:
  explicit TrafficKeys(const Library& library);
  // Null when `suite` is none of AES-GCM and ChaCha20-Poly1305.
  const EVP_CIPHER* cipher_of(const SSL_CIPHER* suite) const;
  // Empty without a cipher, for a secret of no known length, and when OpenSSL has no memory.
  RecordProtection derive(const EVP_CIPHER* cipher, std::span<const unsigned char> secret);
  // Replaces the secret by the next one (RFC 8446 7.2), and derives from that.
  RecordProtection update(const EVP_CIPHER* cipher, std::span<unsigned char> secret);

 private:
  EVP_MAC_CTX* mac_for(std::size_t secret_size) const;
  bool expand(EVP_MAC_CTX* mac, std::span<const unsigned char> secret, std::string_view label,
              std::span<unsigned char> into);

  EvpCipherPtr aes_128_gcm_;
  EvpCipherPtr aes_256_gcm_;
  EvpCipherPtr chacha20_poly1305_;
  EvpMacCtxPtr hmac_sha256_;
  EvpMacCtxPtr hmac_sha384_;
};

}  // namespace ocsproxy
