// What the parts of one exchange cost: heads read and written, a chunked body, a connection from
// the pool and back. The column `allocations` is what a call asks of the system's allocator.
#include <sys/socket.h>

#include <array>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>

#include <benchmark/benchmark.h>

#include "base/free_list.h"
#include "proxy/chunked.h"
#include "proxy/head_parser.h"
#include "proxy/request_writer.h"
#include "proxy/response_writer.h"
#include "proxy/target.h"
#include "rules/canonical_target.h"

namespace {
std::uint64_t news = 0;
}  // namespace

// Not inlined, so that g++ does not take the pair for a mismatch.
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++news;
  if (void* const block = std::malloc(size)) return block;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* block) noexcept { std::free(block); }
[[gnu::noinline]] void operator delete(void* block, std::size_t /*size*/) noexcept {
  std::free(block);
}

namespace ocsproxy {
namespace {

constexpr std::string_view kRequest =
    "GET /abs/ext/handler?id=4711&lang=en HTTP/1.1\r\n"
    "Host: ocsweb.contoso.com\r\n"
    "User-Agent: OCPhone/1.0.522.34 (Microsoft Office Communicator Phone 2007)\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
    "Accept-Language: en-US,en;q=0.5\r\n"
    "Accept-Encoding: gzip, deflate\r\n"
    "Cookie: session=7f3a9c51d2e84b06; theme=dark\r\n"
    "Connection: keep-alive\r\n\r\n";
constexpr std::string_view kResponse =
    "HTTP/1.1 200 OK\r\n"
    "Cache-Control: private\r\n"
    "Content-Type: text/html; charset=utf-8\r\n"
    "Content-Length: 1024\r\n"
    "Server: Microsoft-IIS/6.0\r\n"
    "X-Powered-By: ASP.NET\r\n"
    "Set-Cookie: session=7f3a9c51d2e84b06; path=/; domain=ocspool.contoso.local\r\n"
    "Location: https://ocspool.contoso.local/abs/ext/next\r\n"
    "Date: Mon, 23 Nov 2026 12:00:00 GMT\r\n\r\n";

class Allocations {
 public:
  explicit Allocations(benchmark::State& state) : state_(state) {}
  ~Allocations() {
    const std::uint64_t all = news + free_list::system_calls() - before_;
    state_.counters["allocations"] =
        benchmark::Counter(static_cast<double>(all), benchmark::Counter::kAvgIterations);
  }
  Allocations(const Allocations&) = delete;
  Allocations& operator=(const Allocations&) = delete;

 private:
  benchmark::State& state_;
  std::uint64_t before_ = news + free_list::system_calls();
};

settings::Rule rule() {
  settings::Rule rule;
  rule.name.value = "OCS External Web Farm";
  settings::Path path;
  path.kind = settings::Path::Kind::prefix;
  rule.paths.push_back(path);
  rule.to.emplace();
  rule.to->site.value = "ocspool.contoso.local";
  return rule;
}

void parse_request(benchmark::State& state) {
  auto head = std::make_unique<RequestHead>();
  const Allocations allocations(state);
  for (auto _ : state) {
    HeadProgress progress;
    benchmark::DoNotOptimize(parse_request_head(kRequest, progress, *head));
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * kRequest.size()));
}

void parse_response(benchmark::State& state) {
  auto head = std::make_unique<ResponseHead>();
  const Allocations allocations(state);
  for (auto _ : state) {
    HeadProgress progress;
    benchmark::DoNotOptimize(parse_response_head(kResponse, progress, *head));
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * kResponse.size()));
}

// A parsed request with all that the writers ask about it.
struct Asked {
  Asked() {
    HeadProgress progress;
    parse_request_head(kRequest, progress, head);
    request_framing(head, framing);
    rules::canonicalize(head.target, true, path, target);
    request_host(head, target.authority, 443, name, host);
  }
  RequestHead head;
  RequestFraming framing;
  rules::CanonicalTarget target;
  RequestHost host;
  std::array<char, 1024> path{};
  std::array<char, kHostBytes> name{};
};

void rewrite_request(benchmark::State& state) {
  const auto asked = std::make_unique<Asked>();
  const settings::Rule allowed = rule();
  std::array<char, 4096> out{};
  const Allocations allocations(state);
  for (auto _ : state) {
    benchmark::DoNotOptimize(write_request_head(asked->head,
                                                {.rule = &allowed,
                                                 .target = asked->target,
                                                 .host = asked->host,
                                                 .framing = asked->framing,
                                                 .client_address = IpAddress::from_v4(0xc6336407),
                                                 .client_secure = true,
                                                 .request_id = "00c0ffee00c0ffee",
                                                 .via = "ocsproxy-7f3a"},
                                                out));
  }
}

void rewrite_response(benchmark::State& state) {
  const auto asked = std::make_unique<Asked>();
  const settings::Rule allowed = rule();
  auto head = std::make_unique<ResponseHead>();
  HeadProgress progress;
  parse_response_head(kResponse, progress, *head);
  ResponseFraming framing;
  response_framing(*head, {}, framing);
  std::array<char, 4096> out{};
  const Allocations allocations(state);
  for (auto _ : state) {
    benchmark::DoNotOptimize(write_response_head(*head,
                                                 {.rule = &allowed,
                                                  .framing = framing,
                                                  .host = asked->host,
                                                  .client_secure = true,
                                                  .keep_alive = true,
                                                  .via = "ocsproxy-7f3a",
                                                  .request_id = "00c0ffee00c0ffee"},
                                                 out));
  }
}

// A body of 64 KiB in chunks of that size.
void relay_chunked(benchmark::State& state) {
  const auto size = static_cast<std::size_t>(state.range(0));
  std::array<char, 16> line{};
  const int digits = std::snprintf(line.data(), line.size(), "%zx\r\n", size);
  std::string body;
  for (std::size_t sent = 0; sent < 65536; sent += size) {
    body.append(line.data(), static_cast<std::size_t>(digits)).append(size, 'x').append("\r\n");
  }
  const std::string message = body + "0\r\n\r\n";
  const Allocations allocations(state);
  for (auto _ : state) {
    ChunkedDecoder decoder(ChunkedDecoder::Mode::verbatim, Side::upstream);
    std::span<const char> rest(message);
    auto end = ChunkedDecoder::State::more;
    while (end == ChunkedDecoder::State::more && !rest.empty()) {
      ChunkedDecoder::Output output;
      end = decoder.feed(rest, output);
      benchmark::DoNotOptimize(output);
      rest = rest.subspan(output.consumed);
    }
    if (end != ChunkedDecoder::State::complete) state.SkipWithError("the body did not end");
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * message.size()));
}

void check_out_of_the_pool(benchmark::State& state) {
  boost::asio::io_context io(1);
  Reactor reactor(io);
  const Library library;
  TlsResources tls(library);
  Counters counters;
  auto target = make_local<Target>(reactor, counters,
                                   TargetKey{.site = "pool",
                                             .addresses = {},
                                             .port = 80,
                                             .bridging = settings::Bridging::http,
                                             .tls_policy = {},
                                             .limit = 1'000},
                                   nullptr);
  std::vector<Descriptor> peers;
  for (int i = 0; i < state.range(0); ++i) {
    std::array<int, 2> fds{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds.data()) != 0) {
      state.SkipWithError("no socket pair");
      return;
    }
    peers.emplace_back(fds[1]);
    auto stream = std::make_unique<Stream>(reactor, Descriptor(fds[0]), false, tls);
    target->put(Lease(std::make_unique<UpstreamConnection>(target->take_slot(), std::move(stream),
                                                           SocketAddress())));
  }
  {
    const Allocations allocations(state);
    for (auto _ : state) {
      Lease lease = target->take_idle(Reuse::any);
      if (!lease) state.SkipWithError("the pool is empty");
      target->put(std::move(lease));
    }
  }
  target->retire();
  target = {};
  reactor.stop();
  io.run();
}

BENCHMARK(parse_request);
BENCHMARK(parse_response);
BENCHMARK(rewrite_request);
BENCHMARK(rewrite_response);
BENCHMARK(relay_chunked)->ArgName("chunk")->Arg(256)->Arg(4096)->Arg(65536);
BENCHMARK(check_out_of_the_pool)->ArgName("idle")->Arg(1)->Arg(500);

}  // namespace
}  // namespace ocsproxy
