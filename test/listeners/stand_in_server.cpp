#include "stand_in_server.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <map>
#include <sstream>

#include "base/files.h"
#include "scratch.h"

namespace ocsproxy::test {
namespace {

constexpr const char* kPathKey = "the configuration";

struct Words {
  std::vector<SocketAddress> listen;
  std::map<std::string, std::string> settings;

  bool has(const std::string& name) const { return settings.contains(name); }
  std::string get(const std::string& name) const {
    const auto found = settings.find(name);
    return found == settings.end() ? "" : found->second;
  }
};

Words parse(const std::string& text) {
  Words words;
  std::istringstream lines(text);
  std::string line;
  while (std::getline(lines, line)) {
    const auto space = line.find(' ');
    const std::string name = line.substr(0, space);
    const std::string value = space == std::string::npos ? "" : line.substr(space + 1);
    if (name != "listen") {
      words.settings[name] = value;
      continue;
    }
    const auto middle = value.find(' ');
    words.listen.push_back({*IpAddress::parse(value.substr(0, middle)),
                            static_cast<std::uint16_t>(std::stoi(value.substr(middle + 1)))});
  }
  return words;
}

Result<LoadBundle> load(const std::string& path, const LoadBundle* last) {
  DiskFiles files;
  const auto text = files.read(path);
  if (!text) return text.error();
  const Words words = parse(*text);
  if (words.has("loader-dies")) ::raise(SIGKILL);
  if (words.has("loader-hangs")) ::pause();
  if (words.has("unreadable")) return Error{.detail = "cannot read it"};
  if (words.has("fail")) return Error{.kind = ErrorKind::malformed, .detail = words.get("fail")};

  LoadBundle bundle;
  bundle.summary.findings = words.get("warn");
  bundle.summary.workers =
      words.has("workers") ? static_cast<std::uint32_t>(std::stoi(words.get("workers"))) : 1;
  if (words.has("drain")) {
    bundle.summary.drain = std::chrono::milliseconds(std::stoi(words.get("drain")));
  }
  std::set<ino_t> own;
  if (last != nullptr) own = socket_inodes(last->endpoints);
  for (const SocketAddress& address : words.listen) {
    BoundEndpoint endpoint{.address = address, .sockets = {}};
    if (last != nullptr) {
      for (const BoundEndpoint& held : last->endpoints) {
        if (held.address != address) continue;
        for (const Descriptor& socket : held.sockets) {
          endpoint.sockets.emplace_back(::fcntl(socket.get(), F_DUPFD_CLOEXEC, 0));
        }
      }
    }
    if (endpoint.sockets.empty()) {
      auto sockets = bind_endpoint({.address = address}, bundle.summary.workers, own);
      if (!sockets) return Error{.kind = ErrorKind::malformed, .detail = sockets.error().detail};
      endpoint.sockets = *std::move(sockets);
    }
    bundle.endpoints.push_back(std::move(endpoint));
  }
  if (words.has("log")) {
    bundle.summary.access_log_path = words.get("log");
    bundle.access_log.reset(
        ::open(words.get("log").c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640));
  }
  if (words.has("key")) {
    if (const auto key = files.read(words.get("key")); !key) return key.error();
  }
  bundle.contents = files.contents();
  bundle.contents[kPathKey] = *text;
  return bundle;
}

class Server {
 public:
  explicit Server(ControlSource& control) : control_(control) {}

  int run() {
    while (!ended_) {
      std::vector<pollfd> sources{{control_.descriptor(), POLLIN, 0}};
      if (!draining_) {
        for (const Descriptor* socket : sockets()) sources.push_back({socket->get(), POLLIN, 0});
      }
      if (::poll(sources.data(), sources.size(), 20'000) <= 0) return 9;
      if (sources[0].revents != 0 && !take_messages()) return 8;
      for (std::size_t i = 1; i < sources.size() && !draining_; ++i) {
        if (sources[i].revents != 0) accept(sources[i].fd);
      }
    }
    return 0;
  }

 private:
  std::vector<const Descriptor*> sockets() const {
    std::vector<const Descriptor*> all;
    for (const BoundEndpoint& endpoint : bundle_.endpoints) {
      for (const Descriptor& socket : endpoint.sockets) all.push_back(&socket);
    }
    return all;
  }

  bool take_messages() {
    while (true) {
      auto message = control_.receive();
      if (!message) return false;
      if (!*message) return true;
      take(std::move(**message));
    }
  }

  void take(ControlMessage message) {
    switch (message.kind) {
      case ControlMessage::Kind::bundle:
        take_over(std::move(message.bundle));
        break;
      case ControlMessage::Kind::reopen_log:
        bundle_.access_log = std::move(message.access_log);
        break;
      case ControlMessage::Kind::drain:
        ended_ = !words_.has("stays") && (draining_ || !words_.has("lingers"));
        draining_ = true;
    }
  }

  void take_over(LoadBundle bundle) {
    const Words words = parse(bundle.contents[kPathKey]);
    if (words.has("server-dies")) ::raise(SIGKILL);
    if (words.has("refuse")) {
      control_.refused(words.get("refuse"));
      return;
    }
    bundle_ = std::move(bundle);
    words_ = words;
    control_.accepted();
  }

  void accept(int listening) {
    const Descriptor client(::accept4(listening, nullptr, nullptr, SOCK_CLOEXEC));
    if (!client) return;
    std::string line;
    char byte = 0;
    while (::read(client.get(), &byte, 1) == 1 && byte != '\n') line += byte;
    const std::string reply = answer(line);
    (void)!::write(client.get(), reply.data(), reply.size());
  }

  std::string answer(const std::string& line) {
    const std::string key = words_.get("key");
    if (line == "generation") return words_.get("generation");
    if (line == "pid") return std::to_string(::getpid());
    if (line == "sockets") return std::to_string(sockets().size());
    if (line == "key") return bundle_.contents[key];
    if (line == "open-key") {
      return Descriptor(::open(key.c_str(), O_RDONLY | O_CLOEXEC)) ? "open" : errno_text(errno);
    }
    if (line == "drop") {
      return ::setuid(0) == 0 || ::setgid(0) == 0 ? "root again" : "dropped";
    }
    if (line == "reload") control_.request_reload();
    if (line == "die") ::raise(SIGKILL);
    if (line.starts_with("log ")) {
      const std::string text = line.substr(4) + '\n';
      (void)!::write(bundle_.access_log.get(), text.data(), text.size());
    }
    return "done";
  }

  ControlSource& control_;
  LoadBundle bundle_;
  Words words_;
  bool draining_ = false;
  bool ended_ = false;
};

}  // namespace

LoadFunction stand_in_load(std::string path) {
  return [path = std::move(path)](const LoadBundle* last) { return load(path, last); };
}

int stand_in_serve(ControlSource& control) { return Server(control).run(); }

}  // namespace ocsproxy::test
