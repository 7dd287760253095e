// The records of one direction of a TLS 1.3 connection: sealed and opened, one by one.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "tls/aead_key.h"
#include "tls/vector_gcm.h"

namespace ocsproxy {

// The protection of one direction of a connection (RFC 8446 5.2 to 5.4). Move-only; the key is
// wiped in the end. A call fails only when there is no memory, or when a record is not
// authentic.
class RecordProtection {
 public:
  static constexpr std::size_t kHeaderSize = 5;
  static constexpr std::size_t kTagSize = AeadKey::kTagSize;
  static constexpr std::size_t kLargestContent = std::size_t{1} << 14;
  // A record has at most so many bytes behind its header, padding included.
  static constexpr std::size_t kLargestBody = kLargestContent + 256;
  static constexpr std::size_t kLargestRecord = kHeaderSize + kLargestBody;
  static constexpr std::size_t kOverhead = kHeaderSize + 1 + kTagSize;  // of a record of ours

  RecordProtection() = default;
  // `cipher` and `gcm` outlive it; `key` has the length that the cipher wants. AES-GCM is done by
  // `gcm`, unless that is null or has nothing.
  RecordProtection(const EVP_CIPHER* cipher, const VectorGcm* gcm,
                   std::span<const unsigned char> key, std::span<const unsigned char, 12> iv);
  RecordProtection(RecordProtection&& other) noexcept;
  RecordProtection& operator=(RecordProtection&& other) noexcept;
  ~RecordProtection();

  explicit operator bool() const { return cipher_ != nullptr; }
  std::uint64_t sequence() const { return sequence_; }
  void set_sequence(std::uint64_t sequence) { sequence_ = sequence; }
  const EVP_CIPHER* cipher() const { return cipher_; }
  // For whoever goes on with the records in our place.
  std::span<const unsigned char> key() const { return std::span(key_).first(key_size_); }
  std::span<const unsigned char> iv() const { return iv_; }
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
  void shed() { expanded_.reset(); }

 private:
  bool expand();
  AeadKey::Nonce next_nonce();

  const EVP_CIPHER* cipher_ = nullptr;
  const VectorGcm* gcm_ = nullptr;
  std::unique_ptr<AeadKey> expanded_;
  std::uint64_t sequence_ = 0;
  std::array<unsigned char, 32> key_{};
  std::array<unsigned char, 12> iv_{};
  std::uint8_t key_size_ = 0;
};

// The two directions of a connection.
struct BothWays {
  RecordProtection in, out;
};

}  // namespace ocsproxy
