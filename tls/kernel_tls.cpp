#include "tls/kernel_tls.h"

#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/ssl.h>

#include "base/descriptor.h"
#include "base/error.h"

namespace ocsproxy {
namespace {

constexpr std::array<std::string_view, 3> kNames{"AES-128-GCM", "AES-256-GCM", "ChaCha20-Poly1305"};
constexpr std::array<std::size_t, 3> kKeySizes{16, 32, 32};

std::array<unsigned char, 8> big_endian(std::uint64_t number) {
  std::array<unsigned char, 8> bytes{};
  for (std::size_t i = 0; i < 8; ++i) bytes[i] = static_cast<unsigned char>(number >> (56 - 8 * i));
  return bytes;
}

template <typename Info>
bool set_keys(int fd, int direction, int version, std::uint16_t cipher,
              const RecordProtection& keys) {
  Info info{};
  info.info.version = static_cast<std::uint16_t>(version);  // the same numbers as on the wire
  info.info.cipher_type = cipher;
  const std::span<const unsigned char> iv = keys.iv();
  // The salt is the part of the nonce that stays.
  if constexpr (requires { info.salt[0]; }) std::copy_n(iv.begin(), sizeof info.salt, info.salt);
  std::copy_n(iv.end() - sizeof info.iv, sizeof info.iv, info.iv);
  std::copy_n(keys.key().begin(), sizeof info.key, info.key);
  const std::array<unsigned char, 8> number = big_endian(keys.sequence());
  std::copy_n(number.begin(), sizeof info.rec_seq, info.rec_seq);
  const bool taken = ::setsockopt(fd, SOL_TLS, direction, &info, sizeof info) == 0;
  const int error = errno;
  OPENSSL_cleanse(&info, sizeof info);
  errno = error;
  return taken;
}

bool set_keys(int fd, int direction, int version, const RecordProtection& keys) {
  switch (EVP_CIPHER_get_nid(keys.cipher())) {
    case NID_aes_128_gcm:
      return set_keys<tls12_crypto_info_aes_gcm_128>(fd, direction, version, TLS_CIPHER_AES_GCM_128,
                                                     keys);
    case NID_aes_256_gcm:
      return set_keys<tls12_crypto_info_aes_gcm_256>(fd, direction, version, TLS_CIPHER_AES_GCM_256,
                                                     keys);
    case NID_chacha20_poly1305:
      return set_keys<tls12_crypto_info_chacha20_poly1305>(fd, direction, version,
                                                           TLS_CIPHER_CHACHA20_POLY1305, keys);
    default:
      errno = EOPNOTSUPP;
      return false;
  }
}

template <typename Info>
std::optional<std::uint64_t> number_of_next(int fd) {
  Info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(fd, SOL_TLS, TLS_TX, &info, &size) != 0) return std::nullopt;
  std::uint64_t number = 0;
  for (const unsigned char byte : info.rec_seq) number = number << 8 | byte;
  OPENSSL_cleanse(&info, sizeof info);
  return number;
}

// Both ends of a connection over loopback; not `first` where there is no loopback.
struct Connected {
  Descriptor first;
  Descriptor second;
};

Connected connect_to_ourselves() {
  const Descriptor listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const name = reinterpret_cast<sockaddr*>(&address);
  if (!listener || ::bind(listener.get(), name, size) != 0 || ::listen(listener.get(), 1) != 0 ||
      ::getsockname(listener.get(), name, &size) != 0) {
    return {};
  }
  Connected made{Descriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), Descriptor()};
  if (!made.first || ::connect(made.first.get(), name, size) != 0) return {};
  made.second = Descriptor(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  return made.second ? std::move(made) : Connected{};
}

}  // namespace

bool attach_kernel_tls(int fd) {
  return ::setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof "tls") == 0;
}

bool kernel_sends(int fd, int version, const RecordProtection& keys) {
  return set_keys(fd, TLS_TX, version, keys);
}

bool kernel_receives(int fd, int version, const RecordProtection& keys) {
  return set_keys(fd, TLS_RX, version, keys);
}

std::optional<std::uint64_t> next_record_of_kernel(int fd, const EVP_CIPHER* cipher) {
  switch (EVP_CIPHER_get_nid(cipher)) {
    case NID_aes_128_gcm:
      return number_of_next<tls12_crypto_info_aes_gcm_128>(fd);
    case NID_aes_256_gcm:
      return number_of_next<tls12_crypto_info_aes_gcm_256>(fd);
    case NID_chacha20_poly1305:
      return number_of_next<tls12_crypto_info_chacha20_poly1305>(fd);
    default:
      return std::nullopt;
  }
}

// Receiving TLS 1.3 is not tried: it stays ours (ARCHITECTURE.md section 6).
KernelTls KernelTls::detect() {
  KernelTls found;
  found.reason_.clear();
  // The first one is told: it is the cause, where there are several.
  const auto note = [&](const std::string& why) {
    if (found.reason_.empty()) found.reason_ = "none: " + why;
  };
  const std::array<const EVP_CIPHER*, kCiphers> ciphers{EVP_aes_128_gcm(), EVP_aes_256_gcm(),
                                                        EVP_chacha20_poly1305()};
  static constexpr std::array<unsigned char, 32> kKey{};
  static constexpr std::array<unsigned char, 12> kIv{};
  for (std::size_t i = 0; i < kCiphers; ++i) {
    const RecordProtection keys(ciphers[i], nullptr, std::span(kKey).first(kKeySizes[i]), kIv);
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
      const Connected pair = connect_to_ourselves();
      if (!pair.first) {
        note("no connection over loopback to try it on: " + errno_text(errno));
        return found;
      }
      const int fd = pair.first.get();
      if (!attach_kernel_tls(fd)) {
        note(errno == ENOENT ? "the kernel's module \"tls\" is not loaded (modprobe tls)"
                             : "the kernel refuses: " + errno_text(errno));
        return found;
      }
      const bool taken = kernel_sends(fd, version, keys) &&
                         next_record_of_kernel(fd, keys.cipher()).has_value() &&
                         (version == TLS1_3_VERSION || kernel_receives(fd, version, keys));
      if (!taken) note("the kernel refuses " + std::string(kNames[i]) + ": " + errno_text(errno));
      (version == TLS1_2_VERSION ? found.tls1_2_ : found.tls1_3_)[i] = taken;
    }
  }
  return found;
}

bool KernelTls::anything() const {
  const auto any = [](const auto& ciphers) {
    return std::ranges::find(ciphers, true) != ciphers.end();
  };
  return any(tls1_2_) || any(tls1_3_);
}

int KernelTls::cipher_of(const RecordProtection& keys) {
  switch (keys.cipher() == nullptr ? NID_undef : EVP_CIPHER_get_nid(keys.cipher())) {
    case NID_aes_128_gcm:
      return aes_128_gcm;
    case NID_aes_256_gcm:
      return aes_256_gcm;
    case NID_chacha20_poly1305:
      return chacha20_poly1305;
    default:
      return -1;
  }
}

bool KernelTls::offers(int version, const RecordProtection& keys) const {
  const int cipher = cipher_of(keys);
  if (cipher < 0) return false;
  const auto index = static_cast<std::size_t>(cipher);
  return version == TLS1_3_VERSION ? tls1_3_[index] : version == TLS1_2_VERSION && tls1_2_[index];
}

std::string KernelTls::to_string() const {
  if (!anything()) return reason_;
  const auto list = [](const auto& ciphers) {
    std::string text;
    for (std::size_t i = 0; i < kCiphers; ++i) {
      if (!ciphers[i]) continue;
      if (!text.empty()) text += ", ";
      text += kNames[i];
    }
    return text.empty() ? std::string("no cipher") : text;
  };
  return "TLS 1.2 (" + list(tls1_2_) + "), sending of TLS 1.3 (" + list(tls1_3_) + ")";
}

}  // namespace ocsproxy
