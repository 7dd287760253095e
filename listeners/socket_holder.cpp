#include "listeners/socket_holder.h"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string_view>

#include "base/text.h"
#include "base/units.h"

namespace ocsproxy {
namespace {

constexpr unsigned kListen = 0x0a;  // TCP_LISTEN, as the table prints it

template <typename T>
std::optional<T> number(std::string_view text, int base) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// "0100007F:1F90": 32-bit words in the machine's order, then the port in hex.
std::optional<SocketAddress> table_address(std::string_view text) {
  const auto colon = text.find(':');
  if (colon != 8 && colon != 32) return std::nullopt;
  const auto port = number<std::uint16_t>(text.substr(colon + 1), 16);
  IpAddress::Bytes bytes{};
  for (std::size_t word = 0; word < colon / 8; ++word) {
    const auto value = number<std::uint32_t>(text.substr(word * 8, 8), 16);
    if (!value) return std::nullopt;
    std::memcpy(bytes.data() + word * 4, &*value, 4);
  }
  if (!port) return std::nullopt;
  if (colon == 32) return SocketAddress{IpAddress::from_v6(bytes), *port};
  std::uint32_t v4 = 0;
  for (std::size_t i = 0; i < 4; ++i) v4 = v4 << 8 | bytes[i];
  return SocketAddress{IpAddress::from_v4(v4), *port};
}

std::string read_all(const char* path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

bool collides(const SocketAddress& wanted, const SocketAddress& held) {
  if (wanted.port != held.port) return false;
  if (wanted.ip == held.ip) return true;
  // An IPv6 wildcard socket may take IPv4 too; ours never does.
  if (held.ip.is_unspecified()) return wanted.ip.is_v4() || !held.ip.is_v4();
  return wanted.ip.is_unspecified() && wanted.ip.is_v4() == held.ip.is_v4();
}

std::string user_name(uid_t user) {
  const passwd* const account = ::getpwuid(user);
  return account != nullptr ? account->pw_name : std::to_string(user);
}

}  // namespace

std::vector<HeldSocket> parse_socket_table(const std::string& table) {
  std::vector<HeldSocket> sockets;
  std::istringstream lines(table);
  std::string line;
  while (std::getline(lines, line)) {
    std::istringstream row(line);
    std::string ordinal, local, remote, state, queues, timer, retransmits, user, timeout, inode;
    row >> ordinal >> local >> remote >> state >> queues >> timer >> retransmits >> user >>
        timeout >> inode;
    const auto address = table_address(local);
    const auto code = number<unsigned>(state, 16);
    const auto uid = number<uid_t>(user, 10);
    const auto id = number<ino_t>(inode, 10);
    if (!address || !code || !uid || !id) continue;
    sockets.push_back({*address, *code == kListen, *uid, *id});
  }
  return sockets;
}

std::vector<HeldSocket> colliding_sockets(const SocketAddress& wanted) {
  std::vector<HeldSocket> found;
  for (const char* const path : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    for (const HeldSocket& held : parse_socket_table(read_all(path))) {
      // Inode 0: the connection has ended and waits out its time; it collides with nothing.
      if (held.inode != 0 && collides(wanted, held.local)) found.push_back(held);
    }
  }
  std::stable_partition(found.begin(), found.end(),
                        [](const HeldSocket& held) { return held.listening; });
  return found;
}

std::optional<Process> process_with_socket(ino_t inode) {
  namespace fs = std::filesystem;
  const std::string link = "socket:[" + std::to_string(inode) + ']';
  std::optional<Process> found;
  std::error_code error;
  // Processes come and go and hide while this runs: what fails is passed over.
  for (auto entry = fs::directory_iterator("/proc", error);
       !error && entry != fs::directory_iterator(); entry.increment(error)) {
    const auto pid = number<pid_t>(entry->path().filename().native(), 10);
    if (!pid || (found && found->pid < *pid)) continue;
    std::error_code hidden;
    for (auto fd = fs::directory_iterator(entry->path() / "fd", hidden);
         !hidden && fd != fs::directory_iterator(); fd.increment(hidden)) {
      std::error_code gone;
      if (fs::read_symlink(fd->path(), gone).native() != link) continue;
      std::string name = read_all((entry->path() / "comm").c_str());
      while (name.ends_with('\n')) name.pop_back();
      found = Process{*pid, escaped(name)};
      break;
    }
  }
  return found;
}

std::string describe_holder(const SocketAddress& wanted, const HeldSocket& held) {
  std::string text = wanted.to_string() + " is held by ";
  const auto process = process_with_socket(held.inode);
  if (process) {
    text += "pid " + std::to_string(process->pid) + " (" + process->name + ')';
  } else {
    text += "a process of user " + user_name(held.user);
  }
  if (held.local.ip != wanted.ip) text += ", bound to " + held.local.ip.to_string();
  if (!held.listening) text += ", for a connection of its own";
  if (!process && ::geteuid() == 0) {
    text += " (it cannot be seen from here: look in the containers that share this network)";
  } else if (!process) {
    text +=
        " (only root can see which: sudo ss -ltnp sport = :" + std::to_string(wanted.port) + ')';
  }
  return text;
}

}  // namespace ocsproxy
