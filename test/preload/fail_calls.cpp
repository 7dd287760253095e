// Preloaded into the program under test: makes system calls fail, one in so many and by a fixed
// pattern, while and as a file says that the test writes (its path is in FAIL_CALLS; an `Orders`
// for each call, in the order of `Call`). A call that fails has done nothing.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>

namespace {

enum Call : std::size_t {
  kAccept,
  kRecv,
  kSend,
  kSendmsg,
  kSocket,
  kConnect,
  kEpollAdd,
  kWritev,
  kPipe,
  kSplice,
  kCalls,
};

struct Orders {
  std::atomic<std::uint32_t> one_in;  // 0: none fails
  std::atomic<std::uint32_t> error;   // the errno
  std::atomic<std::uint64_t> calls;   // counted while some fail
  std::atomic<std::uint64_t> failed;
};
static_assert(sizeof(Orders) == 24);
using Table = std::array<Orders, kCalls>;

Table nothing_fails;
Table* table = &nothing_fails;

[[gnu::constructor]] void open_orders() {
  const char* const path = std::getenv("FAIL_CALLS");
  if (path == nullptr) return;
  const int fd = ::open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  void* const memory = ::mmap(nullptr, sizeof(Table), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  ::close(fd);
  if (memory != MAP_FAILED) table = static_cast<Table*>(memory);
}

// Is it this one's turn? The pattern is fixed, but no two failures are equally far apart.
bool fails(Call call) {
  Orders& orders = (*table)[call];
  const std::uint32_t one_in = orders.one_in.load(std::memory_order_relaxed);
  if (one_in == 0) return false;
  std::uint64_t number = orders.calls.fetch_add(1, std::memory_order_relaxed) + 1;
  number *= 0x9e3779b97f4a7c15U;
  number ^= number >> 29U;
  number *= 0xbf58476d1ce4e5b9U;
  if ((number >> 32U) % one_in != 0) return false;
  orders.failed.fetch_add(1, std::memory_order_relaxed);
  errno = static_cast<int>(orders.error.load(std::memory_order_relaxed));
  return true;
}

template <typename Function>
Function* real(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

int accept4(int fd, sockaddr* address, socklen_t* size, int flags) {
  static auto* const call = real<decltype(accept4)>("accept4");
  return fails(kAccept) ? -1 : call(fd, address, size, flags);
}
ssize_t recv(int fd, void* into, std::size_t size, int flags) {
  static auto* const call = real<decltype(recv)>("recv");
  return fails(kRecv) ? -1 : call(fd, into, size, flags);
}
ssize_t send(int fd, const void* from, std::size_t size, int flags) {
  static auto* const call = real<decltype(send)>("send");
  return fails(kSend) ? -1 : call(fd, from, size, flags);
}
ssize_t sendmsg(int fd, const msghdr* message, int flags) {
  static auto* const call = real<decltype(sendmsg)>("sendmsg");
  return fails(kSendmsg) ? -1 : call(fd, message, flags);
}
int socket(int domain, int type, int protocol) noexcept {
  static auto* const call = real<decltype(socket)>("socket");
  return fails(kSocket) ? -1 : call(domain, type, protocol);
}
int connect(int fd, const sockaddr* address, socklen_t size) {
  static auto* const call = real<decltype(connect)>("connect");
  return fails(kConnect) ? -1 : call(fd, address, size);
}
int epoll_ctl(int epoll, int what, int fd, epoll_event* event) noexcept {
  static auto* const call = real<decltype(epoll_ctl)>("epoll_ctl");
  return what == EPOLL_CTL_ADD && fails(kEpollAdd) ? -1 : call(epoll, what, fd, event);
}
ssize_t writev(int fd, const iovec* parts, int count) {
  static auto* const call = real<decltype(writev)>("writev");
  return fails(kWritev) ? -1 : call(fd, parts, count);
}
int pipe2(int* ends, int flags) noexcept {
  static auto* const call = real<decltype(pipe2)>("pipe2");
  return fails(kPipe) ? -1 : call(ends, flags);
}
ssize_t splice(int from, off64_t* from_offset, int to, off64_t* to_offset, std::size_t size,
               unsigned flags) {
  static auto* const call = real<decltype(splice)>("splice");
  return fails(kSplice) ? -1 : call(from, from_offset, to, to_offset, size, flags);
}
}
