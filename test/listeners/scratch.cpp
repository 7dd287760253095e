#include "scratch.h"

#include <grp.h>
#include <netinet/in.h>
#include <poll.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace ocsproxy::test {

Folder::Folder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "ocsproxy-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary folder");
  path_ = pattern;
}

Folder::~Folder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string Folder::path(const std::string& name) const {
  return name.empty() ? path_ : path_ + '/' + name;
}

void write_file(const std::string& path, const std::string& text) {
  // Complete or not at all, for readers at any time.
  std::ofstream(path + ".new", std::ios::binary) << text;
  std::filesystem::rename(path + ".new", path);
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

IpAddress own_loopback_address() {
  static std::uint32_t count = 0;
  const auto process = static_cast<std::uint32_t>(::getpid());
  return IpAddress::from_v4(127u << 24 | (16 + process % 200) << 16 | process / 200 % 256 << 8 |
                            (1 + count++ % 250));
}

bool eventually(const std::function<bool()>& holds, std::chrono::milliseconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(2ms);
  }
  return true;
}

Descriptor connect_to(const SocketAddress& address) {
  sockaddr_storage storage;
  const socklen_t size = address.to(storage);
  Descriptor socket(::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&storage), size) != 0) {
    const int error = errno;
    socket.reset();
    errno = error;
  }
  return socket;
}

std::string converse(const Descriptor& connection, const std::string& line,
                     std::chrono::milliseconds limit) {
  const std::string request = line + '\n';
  if (!connection || ::send(connection.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) {
    return {};
  }
  std::string answer;
  char buffer[1024];
  while (true) {
    pollfd wait{connection.get(), POLLIN, 0};
    if (::poll(&wait, 1, static_cast<int>(limit.count())) <= 0) return {};
    const ssize_t got = ::read(connection.get(), buffer, sizeof buffer);
    if (got <= 0) return answer;
    answer.append(buffer, static_cast<std::size_t>(got));
  }
}

std::string ask(const SocketAddress& address, const std::string& line) {
  return converse(connect_to(address), line);
}

Descriptor listen_on(const SocketAddress& address, bool reuse_port, bool v6_only) {
  sockaddr_storage storage;
  const socklen_t size = address.to(storage);
  Descriptor socket(::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  const int only = v6_only ? 1 : 0;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (reuse_port) ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  if (!address.ip.is_v4()) {
    ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only);
  }
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&storage), size) != 0 ||
      ::listen(socket.get(), 16) != 0) {
    throw std::runtime_error("cannot listen on " + address.to_string());
  }
  return socket;
}

ChildProcess::ChildProcess(const std::function<int()>& body) : pid_(::fork()) {
  if (pid_ == 0) ::_exit(body());
}

ChildProcess::~ChildProcess() {
  if (status_ || pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

void ChildProcess::signal(int number) const { ::kill(pid_, number); }

std::optional<int> ChildProcess::wait(std::chrono::milliseconds limit) {
  eventually(
      [this] {
        int status = 0;
        if (!status_ && ::waitpid(pid_, &status, WNOHANG) == pid_) status_ = status;
        return status_.has_value();
      },
      limit);
  return status_;
}

int as_nobody(const std::function<int()>& body) {
  ChildProcess child([&body] {
    const passwd* const nobody = ::getpwnam("nobody");
    if (::setgroups(0, nullptr) != 0 || ::setgid(nobody->pw_gid) != 0 ||
        ::setuid(nobody->pw_uid) != 0) {
      return 255;
    }
    return body();
  });
  const auto status = child.wait(60s);
  return status && WIFEXITED(*status) ? WEXITSTATUS(*status) : -1;
}

bool process_exists(pid_t pid) {
  const std::string state = status_field(pid, "State");
  return !state.empty() && state[0] != 'Z';
}

std::string status_field(pid_t pid, const std::string& name) {
  std::istringstream lines(read_file("/proc/" + std::to_string(pid) + "/status"));
  std::string line;
  while (std::getline(lines, line)) {
    if (!line.starts_with(name + ":\t")) continue;
    return line.substr(name.size() + 2);
  }
  return {};
}

}  // namespace ocsproxy::test
