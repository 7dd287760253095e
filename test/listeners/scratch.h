// What the tests of listening and loading share: a folder and loopback addresses of their own, a
// small client, child processes.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "base/descriptor.h"
#include "net/socket_address.h"

namespace ocsproxy::test {

using namespace std::chrono_literals;

// Removed with all that is in it.
class Folder {
 public:
  Folder();
  ~Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string path(const std::string& name = {}) const;

 private:
  std::string path_;
};

void write_file(const std::string& path, const std::string& text);
std::string read_file(const std::string& path);

// An address in 127.0.0.0/8 that no other process and no other test uses, so that any port of it is
// free, 443 too.
IpAddress own_loopback_address();

// Looks every few milliseconds whether it holds; false when it does not within `limit`.
bool eventually(const std::function<bool()>& holds, std::chrono::milliseconds limit = 20s);

// A TCP connection, or an empty descriptor and errno.
Descriptor connect_to(const SocketAddress& address);
// Sends a line and gives back what comes until the peer ends; "" when it is silent for `limit`.
std::string converse(const Descriptor& connection, const std::string& line,
                     std::chrono::milliseconds limit = 20s);
std::string ask(const SocketAddress& address, const std::string& line);
// Just the port's socket, as another program would hold it.
Descriptor listen_on(const SocketAddress& address, bool reuse_port = false, bool v6_only = true);

// A child process that runs `body` and ends with its result. Killed with this object.
class ChildProcess {
 public:
  explicit ChildProcess(const std::function<int()>& body);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }
  void signal(int number) const;
  // The status of waitpid(2) once it has ended; empty when it does not within `limit`.
  std::optional<int> wait(std::chrono::milliseconds limit = 20s);

 private:
  pid_t pid_;
  std::optional<int> status_;
};

// Runs `body` as the account nobody in a child process; its result, or -1 when it crashed.
int as_nobody(const std::function<int()>& body);
bool process_exists(pid_t pid);  // zombies do not count
// A field of /proc/PID/status: status_field(pid, "CapEff").
std::string status_field(pid_t pid, const std::string& name);

}  // namespace ocsproxy::test
