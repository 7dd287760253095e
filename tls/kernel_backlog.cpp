#include "tls/kernel_backlog.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <optional>

#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/ssl.h>

namespace ocsproxy {
namespace {

// TCP_CLOSE of netinet/tcp.h, whose tcp_info is too old to be used.
constexpr std::uint8_t kTcpClosed = 7;

// Nothing when the connection has ended.
std::optional<std::uint64_t> acknowledged(int fd) {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0 || info.tcpi_state == kTcpClosed)
    return std::nullopt;
  return info.tcpi_bytes_acked;
}

// How many bytes TCP was ever given: those that the peer has, and those that are under way.
std::optional<std::uint64_t> given_to_tcp(int fd) {
  std::optional<std::uint64_t> before = acknowledged(fd);
  while (before) {
    int under_way = 0;
    if (::ioctl(fd, SIOCOUTQ, &under_way) != 0) return std::nullopt;
    const std::optional<std::uint64_t> after = acknowledged(fd);
    // Else some came over in between, and would be counted twice.
    if (before == after) return *before + static_cast<std::uint64_t>(under_way);
    before = after;
  }
  return std::nullopt;
}

// RFC 8446 5.2; RFC 5288 3, with an explicit nonce; RFC 7905 2.
std::size_t overhead_of(int version, const EVP_CIPHER* cipher) {
  if (version == TLS1_3_VERSION) return RecordProtection::kOverhead;
  const bool nonce = EVP_CIPHER_get_nid(cipher) != NID_chacha20_poly1305;
  return RecordProtection::kHeaderSize + RecordProtection::kTagSize + (nonce ? 8 : 0);
}

}  // namespace

void KernelBacklog::begin(int fd, int version, const RecordProtection& keys) {
  cipher_ = keys.cipher();
  first_record_ = keys.sequence();
  given_before_ = given_to_tcp(fd).value_or(0);
  overhead_ = overhead_of(version, cipher_);
}

bool KernelBacklog::empty(int fd) const {
  const std::optional<std::uint64_t> next = next_record_of_kernel(fd, cipher_);
  const std::optional<std::uint64_t> given = given_to_tcp(fd);
  if (!next || !given) return true;
  return *given - given_before_ >= contents_ + (*next - first_record_) * overhead_;
}

}  // namespace ocsproxy
