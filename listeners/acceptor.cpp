#include "listeners/acceptor.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>

#include "base/error.h"
#include "net/socket.h"

namespace ocsproxy {
namespace {

using std::chrono::milliseconds;

// Connections taken in one go before those that stand get their turn.
constexpr int kBatch = 64;
constexpr milliseconds kRetry{50};
// How long clients may wait in the queue for descriptors or memory to become free.
constexpr milliseconds kPatience{1'000};
constexpr milliseconds kComplainEvery{10'000};
constexpr milliseconds kNotStuck{-1};

bool is_for_want_of_descriptors(int error) { return error == EMFILE || error == ENFILE; }

}  // namespace

void ReserveDescriptor::keep() {
  if (!descriptor_) descriptor_ = Descriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC));
}

Acceptor::Acceptor(Reactor& reactor, Descriptor fd, const Log& log, ReserveDescriptor& reserve,
                   OnAccept on_accept, OnExhausted on_exhausted, void* owner)
    : Pollable(reactor, std::move(fd), EPOLLIN),
      log_(log),
      reserve_(reserve),
      on_accept_(on_accept),
      on_exhausted_(on_exhausted),
      owner_(owner),
      retry_(reactor.timers(), &Acceptor::on_retry, this),
      last_complaint_(-kComplainEvery) {}

void Acceptor::on_events(std::uint32_t) {
  for (int i = 0; i < kBatch; ++i) {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    Descriptor client(::accept4(fd(), reinterpret_cast<sockaddr*>(&storage), &size,
                                SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!client) {
      if (errno == EAGAIN || errno == EWOULDBLOCK) return;
      // The client of this one has gone again, or the network was at fault; the next may be well.
      if (errno == EINTR || errno == ECONNABORTED || errno == EPROTO || errno == EPERM) continue;
      pause(errno);
      return;
    }
    stuck_since_ = kNotStuck;
    reserve_.keep();
    const int on = 1;
    (void)::setsockopt(client.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    on_accept_(owner_, std::move(client), SocketAddress::from(storage));
  }
  wake();  // edge-triggered: what is left in the queue would not be reported again
}

void Acceptor::stop_listening() { (void)::shutdown(fd(), SHUT_RDWR); }

// Out of descriptors or memory: the queue stays as it is, and nobody would report it again.
void Acceptor::pause(int error) {
  retry_.arm(kRetry);
  if (is_for_want_of_descriptors(error)) {
    on_exhausted_(owner_);
    if (stuck_since_ == kNotStuck) {
      stuck_since_ = reactor().now();
    } else if (reactor().now() - stuck_since_ >= kPatience) {
      turn_queue_away();
    }
  }
  if (reactor().now() - last_complaint_ < kComplainEvery) return;
  last_complaint_ = reactor().now();
  log_.error(
      "cannot accept connections on " + local_address(fd()).to_string() + ": " + errno_text(error) +
      (error == EMFILE ? " (raise the limit of open files: LimitNOFILE= in the unit, or ulimit -n)"
                       : ""));
}

// Who waits in it learns at least that there is no room, and need not wait for his own timeout.
void Acceptor::turn_queue_away() {
  reserve_.give_up();
  for (int i = 0; i < kBatch; ++i) {
    const Descriptor client(::accept4(fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!client) break;
    reset_on_close(client.get());
  }
  reserve_.keep();
}

void Acceptor::on_retry(void* self) { static_cast<Acceptor*>(self)->wake(); }

}  // namespace ocsproxy
