// The digests that NTLM and the echo need.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <string>

#include "tls/openssl.h"

namespace ocsproxy::lab {

using Digest128 = std::array<unsigned char, 16>;

// RFC 1320. Our own, because OpenSSL 3 has it in the legacy provider only.
Digest128 md4(std::span<const unsigned char> bytes);

// RFC 2104 over MD5, of `first` followed by `second`. Ends the process when OpenSSL has no MD5.
Digest128 hmac_md5(const Library& library, std::span<const unsigned char> key,
                   std::span<const unsigned char> first,
                   std::span<const unsigned char> second = {});

// SHA-256 of what comes piece by piece. `library` must outlive it.
class Sha256 {
 public:
  explicit Sha256(const Library& library);
  void add(std::span<const unsigned char> bytes);
  // 64 lower-case hex digits. Call once, last.
  std::string hex();

 private:
  std::unique_ptr<EVP_MD_CTX, OpensslDeleter<EVP_MD_CTX_free>> context_;
};

std::string to_hex(std::span<const unsigned char> bytes);

}  // namespace ocsproxy::lab
