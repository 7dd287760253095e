// What a service manager hears, at sockets of files and of names.
#include "listeners/service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "scratch.h"

namespace ocsproxy {
namespace {

using testing::MatchesRegex;

// A socket called `name`, where "@" stands for NUL, and NOTIFY_SOCKET for it.
class Manager {
 public:
  explicit Manager(const std::string& name)
      : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    name.copy(address.sun_path, sizeof address.sun_path - 1);
    if (name.front() == '@') address.sun_path[0] = '\0';
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), size), 0);
    ::setenv("NOTIFY_SOCKET", name.c_str(), 1);
  }
  ~Manager() { ::unsetenv("NOTIFY_SOCKET"); }
  Manager(const Manager&) = delete;
  Manager& operator=(const Manager&) = delete;

  std::string heard() const {
    char text[512];
    const ssize_t size = ::recv(socket_.get(), text, sizeof text, 0);
    return size < 0 ? "nothing" : std::string(text, static_cast<std::size_t>(size));
  }

 private:
  Descriptor socket_;
};

TEST(ServiceManager, hears_each_state) {
  const test::Folder folder;
  for (const std::string& name :
       {folder.path("notify"), "@ocsproxy-test-" + std::to_string(::getpid())}) {
    const Manager listener(name);
    const ServiceManager manager;
    manager.ready("serving");
    EXPECT_EQ(listener.heard(), "READY=1\nSTATUS=serving");
    manager.reloading();
    EXPECT_THAT(listener.heard(), MatchesRegex("RELOADING=1\nMONOTONIC_USEC=[0-9]+"));
    manager.stopping();
    EXPECT_EQ(listener.heard(), "STOPPING=1");
  }
}

TEST(ServiceManager, that_a_child_has_left_hears_nothing_of_it) {
  const test::Folder folder;
  const Manager listener(folder.path("notify"));
  ServiceManager manager;
  manager.leave();
  manager.stopping();
  EXPECT_EQ(listener.heard(), "nothing");
}

TEST(ServiceManager, that_is_not_there_or_is_no_socket_does_no_harm) {
  const ServiceManager nobody;
  nobody.ready("serving");
  for (const std::string& name : {std::string("/nonexistent"), std::string(300, 'x')}) {
    ::setenv("NOTIFY_SOCKET", name.c_str(), 1);
    const ServiceManager deaf;
    deaf.ready("serving");
    ::unsetenv("NOTIFY_SOCKET");
  }
}

}  // namespace
}  // namespace ocsproxy
