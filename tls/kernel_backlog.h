// What the kernel has sealed and not yet given to TCP.
//
// While a socket's send buffer is full, sealed records wait in a list of the kernel's own. Sending
// says that they are sent, nothing says that they are not, and `shutdown` and `close` throw them
// away. So they are counted: what was sealed since the hand-over, and what TCP was given.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tls/kernel_tls.h"

namespace ocsproxy {

// Of one connection whose sending is the kernel's.
class KernelBacklog {
 public:
  // Directly behind the hand-over, with what was handed over.
  void begin(int fd, int version, const RecordProtection& keys);
  // The kernel has taken so many bytes, as the contents of records.
  void took(std::size_t bytes) { contents_ += bytes; }
  std::uint64_t taken() const { return contents_; }
  // Is everything TCP's, which sends it whatever becomes of the socket? True of a connection that
  // has ended, too. A handful of system calls.
  bool empty(int fd) const;

 private:
  const EVP_CIPHER* cipher_ = nullptr;
  std::uint64_t first_record_ = 0;
  std::uint64_t given_before_ = 0;
  std::uint64_t contents_ = 0;
  std::size_t overhead_ = 0;  // of a record
};

}  // namespace ocsproxy
