// Load that wrk cannot make: new TLS connections, full or resumed; a fixed rate of requests whose
// latency counts from the moment each was due; and many idle clients. Blocking sockets, a thread
// for each connection that is busy at a time. Prints one JSON object.
//
//   loader handshakes ADDRESS PORT NAME PATH --seconds S --threads T [--resume]
//   loader rate       ADDRESS PORT NAME PATH --seconds S --threads T --per-second N
//   loader idle       ADDRESS PORT NAME PATH --threads T --connections N    (until stdin ends)
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <openssl/ssl.h>

#include "base/descriptor.h"
#include "base/text.h"

namespace ocsproxy {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::duration;
using std::chrono::duration_cast;
using std::chrono::microseconds;

struct Options {
  std::string mode;
  sockaddr_in address{};
  std::string name;
  std::string request;
  std::map<std::string, double> numbers;
  bool resume = false;

  double number(const std::string& key) const {
    const auto found = numbers.find(key);
    if (found != numbers.end()) return found->second;
    std::fprintf(stderr, "loader: --%s is missing\n", key.c_str());
    std::exit(2);
  }
};

struct SslDeleter {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(SSL_SESSION* session) const { SSL_SESSION_free(session); }
};
using SslPointer = std::unique_ptr<SSL, SslDeleter>;
using ContextPointer = std::unique_ptr<SSL_CTX, SslDeleter>;
using SessionPointer = std::unique_ptr<SSL_SESSION, SslDeleter>;

// The certificate is not verified: what is measured is the other side.
ContextPointer make_context() {
  ContextPointer context(SSL_CTX_new(TLS_client_method()));
  SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION);
  SSL_CTX_set_ciphersuites(context.get(), "TLS_AES_128_GCM_SHA256");
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);
  return context;
}

class Client {
 public:
  Client(const Options& options, SSL_CTX* context) : options_(options), context_(context) {}

  // False when the connection or the handshake failed.
  bool connect(SSL_SESSION* session) {
    fd_ = Descriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int on = 1;
    const timeval patience{.tv_sec = 10, .tv_usec = 0};
    ::setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&options_.address),
                  sizeof options_.address) != 0) {
      return false;
    }
    ssl_.reset(SSL_new(context_));
    SSL_set_fd(ssl_.get(), fd_.get());
    SSL_set_tlsext_host_name(ssl_.get(), options_.name.c_str());
    if (session != nullptr) SSL_set_session(ssl_.get(), session);
    return SSL_connect(ssl_.get()) == 1;
  }

  // One request and its response, which has a Content-Length. False when it was no whole 200.
  bool exchange() {
    const std::string& request = options_.request;
    if (SSL_write(ssl_.get(), request.data(), static_cast<int>(request.size())) <= 0) return false;
    std::array<char, 65536> buffer;
    std::size_t have = 0;    // the head stays in front, the body is overwritten
    std::size_t wanted = 0;  // head and body; 0 while the head is not whole
    while (wanted == 0 || have < wanted) {
      const std::size_t at = std::min(have, buffer.size() / 2);
      const int got =
          SSL_read(ssl_.get(), buffer.data() + at, static_cast<int>(buffer.size() - at));
      if (got <= 0) return false;
      have += static_cast<std::size_t>(got);
      if (wanted == 0) wanted = whole_size({buffer.data(), have});
    }
    return have == wanted;
  }

  bool resumed() const { return SSL_session_reused(ssl_.get()) == 1; }
  SessionPointer session() { return SessionPointer(SSL_get1_session(ssl_.get())); }
  void close() {
    SSL_shutdown(ssl_.get());
    ssl_.reset();
    fd_.reset();
  }

 private:
  // Of head and body; 0 while the head is not whole, or is no 200.
  static std::size_t whole_size(std::string_view text) {
    const std::size_t end = text.find("\r\n\r\n");
    if (end == std::string_view::npos || !text.starts_with("HTTP/1.1 200")) return 0;
    std::string head(text.substr(0, end));
    std::ranges::transform(head, head.begin(), [](char c) { return to_lower(c); });
    const std::size_t field = head.find("content-length:");
    if (field == std::string::npos) return 0;
    return end + 4 + std::strtoul(head.c_str() + field + 15, nullptr, 10);
  }

  const Options& options_;
  SSL_CTX* context_;
  Descriptor fd_;
  SslPointer ssl_;
};

struct Tally {
  std::atomic<std::uint64_t> done{0};
  std::atomic<std::uint64_t> resumed{0};
  std::atomic<std::uint64_t> errors{0};
};

void in_threads(const Options& options, auto&& work) {
  std::vector<std::thread> threads;
  const auto count = static_cast<std::size_t>(options.number("threads"));
  for (std::size_t i = 0; i < count; ++i) threads.emplace_back([&work, i] { work(i); });
  for (std::thread& thread : threads) thread.join();
}

int handshakes(const Options& options) {
  Tally tally;
  const auto begin = Clock::now();
  const auto end =
      begin + duration_cast<Clock::duration>(duration<double>(options.number("seconds")));
  in_threads(options, [&](std::size_t) {
    const ContextPointer context = make_context();
    SessionPointer session;
    while (Clock::now() < end) {
      Client client(options, context.get());
      if (!client.connect(session.get()) || !client.exchange()) {
        ++tally.errors;
        continue;
      }
      ++tally.done;
      if (client.resumed()) ++tally.resumed;
      // The ticket came before the response; each is used once (RFC 8446 C.4).
      if (options.resume) session = client.session();
      client.close();
    }
  });
  const double seconds = duration<double>(Clock::now() - begin).count();
  std::printf("{\"requests\": %llu, \"resumed\": %llu, \"errors\": %llu, \"seconds\": %.6f}\n",
              static_cast<unsigned long long>(tally.done),
              static_cast<unsigned long long>(tally.resumed),
              static_cast<unsigned long long>(tally.errors), seconds);
  return 0;
}

double percentile(const std::vector<std::int64_t>& sorted, double part) {
  if (sorted.empty()) return 0;
  const auto at = static_cast<std::size_t>(part * static_cast<double>(sorted.size() - 1));
  return static_cast<double>(sorted[at]);
}

int rate(const Options& options) {
  Tally tally;
  const auto threads = static_cast<std::int64_t>(options.number("threads"));
  const auto total =
      static_cast<std::int64_t>(options.number("seconds") * options.number("per-second"));
  const auto interval =
      duration_cast<Clock::duration>(duration<double>(1.0 / options.number("per-second")));
  std::vector<std::vector<std::int64_t>> latencies(static_cast<std::size_t>(threads));
  const auto begin = Clock::now() + std::chrono::milliseconds(200);
  in_threads(options, [&](std::size_t index) {
    const ContextPointer context = make_context();
    Client client(options, context.get());
    if (!client.connect(nullptr)) ++tally.errors;
    for (auto i = static_cast<std::int64_t>(index); i < total && tally.errors == 0; i += threads) {
      const auto due = begin + i * interval;
      std::this_thread::sleep_until(due);
      if (!client.exchange()) ++tally.errors;
      latencies[index].push_back(duration_cast<microseconds>(Clock::now() - due).count());
    }
  });
  const double seconds = duration<double>(Clock::now() - begin).count();
  std::vector<std::int64_t> all;
  for (const auto& some : latencies) all.insert(all.end(), some.begin(), some.end());
  std::ranges::sort(all);
  std::printf(
      "{\"requests\": %zu, \"errors\": %llu, \"seconds\": %.6f, \"p50_us\": %.0f, \"p99_us\": "
      "%.0f, "
      "\"max_us\": %.0f}\n",
      all.size(), static_cast<unsigned long long>(tally.errors), seconds, percentile(all, 0.5),
      percentile(all, 0.99), percentile(all, 1.0));
  return 0;
}

// Each has made one request, as a browser between two clicks has.
int idle(const Options& options) {
  Tally tally;
  const auto total = static_cast<std::size_t>(options.number("connections"));
  const auto threads = static_cast<std::size_t>(options.number("threads"));
  const ContextPointer context = make_context();
  std::vector<std::vector<std::unique_ptr<Client>>> clients(threads);
  in_threads(options, [&](std::size_t index) {
    for (std::size_t i = index; i < total; i += threads) {
      auto client = std::make_unique<Client>(options, context.get());
      if (!client->connect(nullptr) || !client->exchange()) {
        ++tally.errors;
        continue;
      }
      ++tally.done;
      clients[index].push_back(std::move(client));
    }
  });
  std::printf("{\"open\": %llu, \"errors\": %llu}\n", static_cast<unsigned long long>(tally.done),
              static_cast<unsigned long long>(tally.errors));
  std::fflush(stdout);
  char byte = 0;
  while (::read(STDIN_FILENO, &byte, 1) > 0) {
  }
  return 0;
}

[[noreturn]] void usage() {
  std::fputs(
      "usage: loader handshakes|rate|idle ADDRESS PORT NAME PATH [--NUMBER N]... [--resume]\n",
      stderr);
  std::exit(2);
}

Options read_options(int count, char** words) {
  if (count < 6) usage();
  Options options;
  options.mode = words[1];
  options.address.sin_family = AF_INET;
  options.address.sin_port = htons(static_cast<std::uint16_t>(std::atoi(words[3])));
  if (::inet_pton(AF_INET, words[2], &options.address.sin_addr) != 1) usage();
  options.name = words[4];
  options.request = "GET " + std::string(words[5]) + " HTTP/1.1\r\nHost: " + options.name +
                    "\r\nUser-Agent: loader\r\nAccept: */*\r\n\r\n";
  for (int i = 6; i < count; ++i) {
    const std::string_view word = words[i];
    if (word == "--resume") {
      options.resume = true;
    } else if (word.starts_with("--") && i + 1 < count) {
      options.numbers[std::string(word.substr(2))] = std::atof(words[++i]);
    } else {
      usage();
    }
  }
  return options;
}

}  // namespace
}  // namespace ocsproxy

int main(int count, char** words) {
  const ocsproxy::Options options = ocsproxy::read_options(count, words);
  if (options.mode == "handshakes") return ocsproxy::handshakes(options);
  if (options.mode == "rate") return ocsproxy::rate(options);
  if (options.mode == "idle") return ocsproxy::idle(options);
  ocsproxy::usage();
}
