#include "lab/pool.h"

#include <thread>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "lab/session.h"
#include "tls/certificate.h"

namespace ocsproxy::lab {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

Error failure(std::string detail) {
  return Error{.detail = "the lab's pool cannot start: " + std::move(detail)};
}

// Holds a certificate's context, or nothing for plain HTTP.
using Context = std::unique_ptr<asio::ssl::context>;

Result<Context> make_context(const Library& library, const Endpoint& endpoint) {
  if (!endpoint.certificate) return Context();
  const auto parsed = Certificate::from_pem(library, endpoint.certificate->certificate,
                                            endpoint.certificate->key, Secret());
  if (parsed.certificate == nullptr) return failure("its certificate: " + parsed.detail);
  SSL_CTX* const raw = SSL_CTX_new_ex(library.get(), nullptr, TLS_server_method());
  if (raw == nullptr) return failure(openssl_errors());
  auto context = std::make_unique<asio::ssl::context>(raw);  // owns it from here
  SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
  if (auto installed = parsed.certificate->install(library, raw); !installed) {
    return failure(std::move(installed).error().detail);
  }
  return context;
}

asio::ip::address asio_address(const IpAddress& address) {
  if (address.is_v4()) return asio::ip::address_v4(address.v4());
  return asio::ip::address_v6(address.bytes());
}

Result<tcp::acceptor> listen_on(asio::io_context& io, const Endpoint& endpoint) {
  const std::string name = endpoint.address.to_string() + " port " + std::to_string(endpoint.port);
  // It lets in whoever knows the users of the lab, so it must not be reachable from outside.
  if (!endpoint.address.is_loopback()) {
    return failure(endpoint.address.to_string() + " is no loopback address");
  }
  const tcp::endpoint where(asio_address(endpoint.address), endpoint.port);
  tcp::acceptor acceptor(io);
  error_code error;
  acceptor.open(where.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(where, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) return failure(name + ": " + error.message());
  return acceptor;
}

}  // namespace

// The order of the members is that of their making: the sessions, whose frames the io_context
// holds, are destroyed with it, before all that they refer to.
struct Pool::State {
  PoolOptions options;
  Counters counters;
  Library library;
  std::vector<Context> contexts;
  std::vector<std::uint16_t> ports;
  std::uint64_t last_connection = 0;
  asio::io_context io{1};
  std::vector<tcp::acceptor> acceptors;
  std::thread thread;

  explicit State(PoolOptions given) : options(std::move(given)) {}
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    io.stop();
    if (thread.joinable()) thread.join();
  }

  Status open() {
    for (const Endpoint& endpoint : options.endpoints) {
      auto context = make_context(library, endpoint);
      if (!context) return std::move(context).error();
      contexts.push_back(std::move(*context));
      auto acceptor = listen_on(io, endpoint);
      if (!acceptor) return std::move(acceptor).error();
      ports.push_back(acceptor->local_endpoint().port());
      acceptors.push_back(std::move(*acceptor));
    }
    return Done{};
  }

  void run() {
    for (std::size_t i = 0; i < acceptors.size(); ++i) {
      asio::co_spawn(io, accept(acceptors[i], contexts[i].get()), asio::detached);
    }
    thread = std::thread([this] { io.run(); });
  }

  Awaitable<void> accept(tcp::acceptor& acceptor, asio::ssl::context* tls) {
    while (true) {
      auto [error, socket] = co_await acceptor.async_accept(asio::as_tuple(asio::use_awaitable));
      if (error) {
        // Out of descriptors, most likely: some come back when connections end.
        asio::steady_timer pause(io, std::chrono::milliseconds(50));
        co_await pause.async_wait(asio::use_awaitable);
        continue;
      }
      asio::co_spawn(io, serve(std::move(socket), tls, ++last_connection), asio::detached);
    }
  }

  Awaitable<void> serve(tcp::socket socket, asio::ssl::context* tls, std::uint64_t number) {
    Session session(std::move(socket), tls, {options, counters, library}, number);
    co_await session.run();
  }
};

Pool::Pool(std::unique_ptr<State> state) : state_(std::move(state)) {}
Pool::Pool(Pool&& other) noexcept = default;
Pool& Pool::operator=(Pool&& other) noexcept = default;
Pool::~Pool() = default;

Result<Pool> Pool::start(PoolOptions options) {
  auto state = std::make_unique<State>(std::move(options));
  if (auto opened = state->open(); !opened) return std::move(opened).error();
  state->run();
  return Pool(std::move(state));
}

const std::vector<std::uint16_t>& Pool::ports() const { return state_->ports; }
const Counters& Pool::counters() const { return state_->counters; }

}  // namespace ocsproxy::lab
