// TLS by the kernel (Linux, the upper-layer protocol "tls"): it seals what is sent on a socket and
// opens what is received, so that a body can be spliced from socket to socket without entering user
// space. https://docs.kernel.org/networking/tls.html
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "tls/traffic_keys.h"

namespace ocsproxy {

// How much of a connection's records is the kernel's.
enum class KernelPart : std::uint8_t { none, sending, both };

// What this kernel can take over, found by trying: a module may be missing, and so may a cipher
// within it. Immutable.
class KernelTls {
 public:
  // Nothing: every connection stays in user space.
  KernelTls() = default;
  // Tries on a connection of its own over loopback. Needs no privilege; where the module is not
  // loaded, only a privileged process makes the kernel load it.
  static KernelTls detect();

  bool anything() const;
  // Of records of `version` (TLS1_2_VERSION, TLS1_3_VERSION) under this cipher.
  bool offers(int version, const RecordProtection& keys) const;
  // For the log: "TLS 1.2 (AES-128-GCM, ...), sending of TLS 1.3 (...)", or why there is nothing.
  std::string to_string() const;

 private:
  enum Cipher : std::uint8_t { aes_128_gcm, aes_256_gcm, chacha20_poly1305 };
  static constexpr std::size_t kCiphers = 3;
  static int cipher_of(const RecordProtection& keys);  // -1: none of them

  std::array<bool, kCiphers> tls1_2_{};
  std::array<bool, kCiphers> tls1_3_{};
  std::string reason_ = "off (kernel_tls: false)";
};

// Hands over the records of one direction, from the next on, with the keys' sequence number; there
// is no way back. `fd` is a connected TCP socket. False, with errno, when the kernel refuses; what
// it did not take over it leaves alone.
bool attach_kernel_tls(int fd);  // first of all, once
bool kernel_sends(int fd, int version, const RecordProtection& keys);
bool kernel_receives(int fd, int version, const RecordProtection& keys);
// The number of the record that the kernel seals next on a socket with a key of this cipher;
// nothing when it does not say.
std::optional<std::uint64_t> next_record_of_kernel(int fd, const EVP_CIPHER* cipher);

}  // namespace ocsproxy
