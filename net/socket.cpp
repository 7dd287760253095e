#include "net/socket.h"

#include <fcntl.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>

#include "net/socket_address.h"

namespace ocsproxy {
namespace {

ErrorKind kind_of(int error) {
  switch (error) {
    case ECONNRESET:
    case EPIPE:
      return ErrorKind::reset;
    case ECONNREFUSED:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ENETDOWN:
    case EHOSTDOWN:
    case EADDRNOTAVAIL:
      return ErrorKind::refused;
    case ETIMEDOUT:
      return ErrorKind::timeout;
    default:
      return ErrorKind::system;
  }
}

// Of a socket whose records the kernel opens.
Error record_error(int error) {
  switch (error) {
    case EBADMSG:
      return {.kind = ErrorKind::tls, .detail = "the kernel could not open a TLS record"};
    case EINVAL:
    case EMSGSIZE:
      return {.kind = ErrorKind::malformed,
              .detail = "the kernel found no TLS record in what came"};
    default:
      return {.kind = kind_of(error), .detail = errno_text(error)};
  }
}

}  // namespace

Socket::Socket(Reactor& reactor, Descriptor fd, bool connecting)
    : Pollable(reactor, std::move(fd), EPOLLIN | EPOLLOUT | EPOLLRDHUP),
      readable_(!connecting),
      writable_(!connecting) {}

IoResult Socket::fail(int error) {
  error_ = Error{.kind = kind_of(error), .detail = errno_text(error)};
  // What came in order before the end may be read to the end, although nothing can be sent.
  if (error != EPIPE) lost_ = true;
  return {0, IoStatus::failed};
}

IoResult Socket::receive(std::span<char> into) {
  if (cancelled_) return {0, IoStatus::failed};
  if (!readable_) return {0, IoStatus::would_block};
  while (true) {
    const ssize_t got = ::recv(fd(), into.data(), into.size(), 0);
    if (got > 0) {
      // After a hang-up the end itself is still to be read, and no further edge will tell.
      if (static_cast<std::size_t>(got) < into.size() && !hung_up_) readable_ = false;
      return {static_cast<std::size_t>(got), IoStatus::ok};
    }
    if (got == 0) return {0, into.empty() ? IoStatus::ok : ended()};
    if (errno == EINTR) continue;
    return would_block_or_fail(readable_);
  }
}

IoResult Socket::after_send(ssize_t sent, std::size_t asked) {
  if (sent < 0) return would_block_or_fail(writable_);
  if (static_cast<std::size_t>(sent) < asked) writable_ = false;
  return {static_cast<std::size_t>(sent), IoStatus::ok};
}

// After a call that failed with errno; `ready` is what it relied on.
IoResult Socket::would_block_or_fail(bool& ready) {
  if (errno != EAGAIN && errno != EWOULDBLOCK) return fail(errno);
  ready = false;
  return {0, IoStatus::would_block};
}

IoResult Socket::send(std::span<const char> data) {
  if (cancelled_) return {0, IoStatus::failed};
  if (!writable_) return {0, IoStatus::would_block};
  ssize_t sent = 0;
  do {
    sent = ::send(fd(), data.data(), data.size(), MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return after_send(sent, data.size());
}

IoResult Socket::send(std::span<const char> first, std::span<const char> second) {
  if (cancelled_) return {0, IoStatus::failed};
  if (!writable_) return {0, IoStatus::would_block};
  // sendmsg takes pointers to non-const; it does not write through them.
  iovec parts[2] = {{const_cast<char*>(first.data()), first.size()},
                    {const_cast<char*>(second.data()), second.size()}};
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  ssize_t sent = 0;
  do {
    sent = ::sendmsg(fd(), &message, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return after_send(sent, first.size() + second.size());
}

// ---- records of the kernel's

IoResult Socket::receive_record(std::span<char> into, unsigned char& type) {
  if (cancelled_) return {0, IoStatus::failed};
  if (!readable_) return {0, IoStatus::would_block};
  iovec part{into.data(), into.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof type)];
  while (true) {
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t got = ::recvmsg(fd(), &message, 0);
    if (got >= 0) {
      const cmsghdr* const header = CMSG_FIRSTHDR(&message);
      const bool record = header != nullptr && header->cmsg_level == SOL_TLS &&
                          header->cmsg_type == TLS_GET_RECORD_TYPE;
      if (record) type = *CMSG_DATA(header);
      return {static_cast<std::size_t>(got), record || got > 0 ? IoStatus::ok : IoStatus::closed};
    }
    if (errno == EINTR) continue;
    if (errno == EAGAIN) return would_block_or_fail(readable_);
    error_ = record_error(errno);
    return {0, IoStatus::failed};
  }
}

IoResult Socket::send_record(unsigned char type, std::span<const char> content) {
  if (cancelled_) return {0, IoStatus::failed};
  if (!writable_) return {0, IoStatus::would_block};
  iovec part{const_cast<char*>(content.data()), content.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof type)]{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_TLS;
  header->cmsg_type = TLS_SET_RECORD_TYPE;
  header->cmsg_len = CMSG_LEN(sizeof type);
  *CMSG_DATA(header) = type;
  ssize_t sent = 0;
  do {
    sent = ::sendmsg(fd(), &message, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return after_send(sent, content.size());
}

// ---- splicing

IoResult Socket::splice_to(int pipe, std::size_t most) {
  if (cancelled_) return {0, IoStatus::failed};
  if (!readable_) return {0, IoStatus::would_block};
  while (true) {
    const ssize_t moved =
        ::splice(fd(), nullptr, pipe, nullptr, most, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (moved > 0) return {static_cast<std::size_t>(moved), IoStatus::ok};
    if (moved == 0) return {0, ended()};
    if (errno == EINTR) continue;
    if (errno == EAGAIN) return {0, IoStatus::would_block};
    error_ = record_error(errno);
    return {0, IoStatus::failed};
  }
}

IoResult Socket::splice_from(int pipe, std::size_t bytes) {
  if (cancelled_) return {0, IoStatus::failed};
  if (!writable_) return {0, IoStatus::would_block};
  ssize_t moved = 0;
  do {
    moved = ::splice(pipe, nullptr, fd(), nullptr, bytes, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  } while (moved < 0 && errno == EINTR);
  // Less than asked may mean another pipe buffer, not a full socket.
  return after_send(moved, moved > 0 ? static_cast<std::size_t>(moved) : bytes);
}

void Socket::cancel(Error error) {
  if (cancelled_) return;
  cancelled_ = true;
  error_ = std::move(error);
  if (reader_ != nullptr || writer_ != nullptr) wake();
}

void Socket::interrupt_reader() {
  if (reader_ == nullptr) return;
  interrupted_ = true;
  wake();
}

void Socket::on_events(std::uint32_t events) {
  if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) hung_up_ = true;
  if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) readable_ = true;
  if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) writable_ = true;
  // Each callback may end the coroutine that owns this socket.
  const Reactor& loop = reactor();
  const std::uint64_t self = key();
  const bool watched = reader_ == nullptr;
  if (writer_ != nullptr && (writable_ || cancelled_)) writer_->on_ready();
  if (!alive(loop, self)) return;
  if (reader_ != nullptr && (readable_ || cancelled_ || interrupted_)) reader_->on_ready();
  if (!alive(loop, self)) return;
  if (watched && hung_up_ && reader_ == nullptr && !cancelled_ && hangup_handler_ != nullptr) {
    hangup_handler_(hangup_owner_);
  }
}

void Socket::shutdown_write() { (void)::shutdown(fd(), SHUT_WR); }

void Socket::reset_on_close() { ocsproxy::reset_on_close(fd()); }

void reset_on_close(int fd) {
  const linger abort_on_close{1, 0};
  (void)::setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort_on_close, sizeof abort_on_close);
}

Result<Descriptor> start_connect(const SocketAddress& address) {
  const int family = address.ip.is_v4() ? AF_INET : AF_INET6;
  Descriptor fd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd)
    return Error{.kind = ErrorKind::system, .detail = "cannot open a socket: " + errno_text(errno)};
  const int on = 1;
  (void)::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  sockaddr_storage storage;
  const socklen_t size = address.to(storage);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&storage), size) != 0 &&
      errno != EINPROGRESS) {
    return Error{.kind = kind_of(errno),
                 .detail = "cannot connect to " + address.to_string() + ": " + errno_text(errno)};
  }
  return fd;
}

Status connect_outcome(int fd) {
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  if (error != 0) return Error{.kind = kind_of(error), .detail = errno_text(error)};
  // Writable without an error and without a peer: the event was not about the connection.
  sockaddr_storage peer;
  size = sizeof peer;
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) != 0) {
    return Error{.kind = kind_of(errno), .detail = errno_text(errno)};
  }
  return Done{};
}

}  // namespace ocsproxy
