#include "listeners/service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstdlib>
#include <ctime>

namespace ocsproxy {
namespace {

// sd_notify(3) wants it with RELOADING=1, so that the manager can tell an old answer from a new
// one.
std::string monotonic_microseconds() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::to_string(static_cast<long long>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1'000);
}

}  // namespace

ServiceManager::ServiceManager() {
  const char* const path = std::getenv("NOTIFY_SOCKET");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string_view name = path == nullptr ? "" : path;
  if (name.empty() || name.size() >= sizeof address.sun_path) return;
  name.copy(address.sun_path, name.size());
  // "@" stands for the NUL of a name that is no file's.
  if (name.front() == '@') address.sun_path[0] = '\0';
  socket_.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  if (::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0)
    socket_.reset();
}

void ServiceManager::ready(std::string_view status) const {
  tell("READY=1\nSTATUS=" + std::string(status));
}

void ServiceManager::reloading() const {
  tell("RELOADING=1\nMONOTONIC_USEC=" + monotonic_microseconds());
}

void ServiceManager::stopping() const { tell("STOPPING=1"); }

// A manager that does not listen is not to hold up the service.
void ServiceManager::tell(const std::string& state) const {
  if (socket_) (void)::send(socket_.get(), state.data(), state.size(), MSG_NOSIGNAL);
}

}  // namespace ocsproxy
