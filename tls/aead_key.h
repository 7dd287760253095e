// A key of an authenticated cipher (RFC 5116), expanded and ready for the next record: what costs
// time once a key, and memory as long as it is kept.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <span>

#include "tls/openssl.h"

namespace ocsproxy {

// One direction of a connection uses it, so on one thread. Its memory comes from the free lists and
// is wiped in the end.
class AeadKey {
 public:
  static constexpr std::size_t kNonceSize = 12;
  static constexpr std::size_t kTagSize = 16;
  using Nonce = std::array<unsigned char, kNonceSize>;

  AeadKey() = default;
  AeadKey(const AeadKey&) = delete;
  AeadKey& operator=(const AeadKey&) = delete;
  virtual ~AeadKey() = default;

  // Seals the pieces as if they were one, and writes them and their tag to `out`; `header` is
  // authenticated with them. False only when there is no memory.
  virtual bool seal(const Nonce& nonce, std::span<const char> header,
                    std::span<const std::span<const char>> pieces, char* out) = 0;
  // Opens `sealed`, whose last bytes are the tag, into `out`: all but the tag, or rubbish and false
  // when it is not authentic. `out` may be where `sealed` begins, or apart from it.
  virtual bool open(const Nonce& nonce, std::span<const char> header, std::span<const char> sealed,
                    char* out) = 0;

  // Null when there is no memory.
  static void* operator new(std::size_t size) noexcept;
  static void operator delete(void* block) noexcept;
};

// By OpenSSL. `cipher`, which outlives it, is AES-GCM or ChaCha20-Poly1305; `key` has the length
// that it wants. Null when there is no memory.
std::unique_ptr<AeadKey> openssl_aead_key(const EVP_CIPHER* cipher,
                                          std::span<const unsigned char> key);

}  // namespace ocsproxy
