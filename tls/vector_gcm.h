// AES-GCM with the widest vectors that the processor has, by Intel's Multi-Buffer Crypto library
// (https://github.com/intel/intel-ipsec-mb). OpenSSL 3.0 knows nothing wider than AES-NI, and finds
// its parameters by name, record by record: it takes three times as long for a large record, ten
// times for a small one.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "tls/aead_key.h"

extern "C" {
struct gcm_key_data;
struct gcm_context_data;
}

namespace ocsproxy {

// What the library can do on this processor. Immutable; any thread.
class VectorGcm {
 public:
  // The library's functions for one size of key.
  struct Functions {
    void (*expand)(const void* key, gcm_key_data*);
    void (*begin)(const gcm_key_data*, gcm_context_data*, const std::uint8_t* nonce,
                  const std::uint8_t* header, std::uint64_t header_size);
    void (*seal)(const gcm_key_data*, gcm_context_data*, std::uint8_t* to, const std::uint8_t* from,
                 std::uint64_t size);
    void (*finish)(const gcm_key_data*, gcm_context_data*, std::uint8_t* tag,
                   std::uint64_t tag_size);
    void (*open)(const gcm_key_data*, gcm_context_data*, std::uint8_t* to, const std::uint8_t* from,
                 std::uint64_t size, const std::uint8_t* nonce, const std::uint8_t* header,
                 std::uint64_t header_size, std::uint8_t* tag, std::uint64_t tag_size);
  };

  // Nothing: OpenSSL does it all.
  VectorGcm() = default;
  // Nothing either when the program was built without the library, when the processor has no
  // AES-NI, and when the library's answers are not those of OpenSSL, which it is asked first.
  static VectorGcm detect(const Library& library);

  explicit operator bool() const { return available_; }
  // For the log: "Intel IPsec MB 1.3.0 with VAES", or whose it is otherwise, and why.
  const std::string& to_string() const { return text_; }
  // `key` has 16 or 32 bytes; what is returned points at this. Null when there is no memory.
  std::unique_ptr<AeadKey> expand(std::span<const unsigned char> key) const;

 private:
  bool agrees(const Library& library) const;

  bool available_ = false;
  Functions aes_128_{}, aes_256_{};
  std::string text_ = "OpenSSL";
};

}  // namespace ocsproxy
