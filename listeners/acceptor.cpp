#include "listeners/acceptor.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>

#include "base/error.h"

namespace ocsproxy {
namespace {

using std::chrono::milliseconds;

// Connections taken in one go before those that stand get their turn.
constexpr int kBatch = 64;
constexpr milliseconds kRetry{200};
constexpr milliseconds kComplainEvery{10'000};

}  // namespace

Acceptor::Acceptor(Reactor& reactor, Descriptor fd, const Log& log, OnAccept on_accept, void* owner)
    : Pollable(reactor, std::move(fd), EPOLLIN),
      log_(log),
      on_accept_(on_accept),
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
  if (reactor().now() - last_complaint_ < kComplainEvery) return;
  last_complaint_ = reactor().now();
  log_.error(
      "cannot accept connections on " + local_address(fd()).to_string() + ": " + errno_text(error) +
      (error == EMFILE ? " (raise the limit of open files: LimitNOFILE= in the unit, or ulimit -n)"
                       : ""));
}

void Acceptor::on_retry(void* self) { static_cast<Acceptor*>(self)->wake(); }

}  // namespace ocsproxy
