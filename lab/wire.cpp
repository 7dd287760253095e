#include "lab/wire.h"

#include <poll.h>

#include <array>
#include <tuple>
#include <utility>
#include <variant>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/tcp_stream.hpp>

namespace ocsproxy::lab {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr auto kNoThrow = asio::as_tuple(asio::use_awaitable);
constexpr std::chrono::seconds kLinger(2);

}  // namespace

struct Wire::Stream {
  using Plain = boost::beast::tcp_stream;
  using Tls = asio::ssl::stream<Plain>;

  template <typename Either>
  Stream(Either stream, std::chrono::milliseconds most_idle)
      : either(std::move(stream)), idle(most_idle) {}

  Plain& tcp() {
    Tls* const tls = std::get_if<Tls>(&either);
    return tls != nullptr ? tls->next_layer() : std::get<Plain>(either);
  }

  std::variant<Plain, Tls> either;
  std::chrono::milliseconds idle;
};

Wire::Wire(tcp::socket socket, asio::ssl::context* tls, std::chrono::milliseconds idle) {
  error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  boost::beast::tcp_stream plain(std::move(socket));
  if (tls == nullptr) {
    stream_ = std::make_unique<Stream>(std::move(plain), idle);
  } else {
    stream_ = std::make_unique<Stream>(Stream::Tls(std::move(plain), *tls), idle);
  }
}

Wire::~Wire() = default;

Awaitable<bool> Wire::handshake() {
  auto* const tls = std::get_if<Stream::Tls>(&stream_->either);
  if (tls == nullptr) co_return true;
  stream_->tcp().expires_after(stream_->idle);
  const auto [error] = co_await tls->async_handshake(asio::ssl::stream_base::server, kNoThrow);
  co_return !error;
}

Awaitable<std::size_t> Wire::read(std::span<char> into) {
  stream_->tcp().expires_after(stream_->idle);
  const auto buffer = asio::buffer(into.data(), into.size());
  if (auto* const tls = std::get_if<Stream::Tls>(&stream_->either)) {
    const auto [error, size] = co_await tls->async_read_some(buffer, kNoThrow);
    co_return error ? 0 : size;
  }
  const auto [error, size] = co_await stream_->tcp().async_read_some(buffer, kNoThrow);
  co_return error ? 0 : size;
}

Awaitable<bool> Wire::write(std::string_view bytes) {
  stream_->tcp().expires_after(stream_->idle);
  const auto buffer = asio::buffer(bytes.data(), bytes.size());
  if (auto* const tls = std::get_if<Stream::Tls>(&stream_->either)) {
    const auto [error, size] = co_await asio::async_write(*tls, buffer, kNoThrow);
    co_return !error;
  }
  const auto [error, size] = co_await asio::async_write(stream_->tcp(), buffer, kNoThrow);
  co_return !error;
}

bool Wire::peer_left() const {
  pollfd poll{stream_->tcp().socket().native_handle(), POLLRDHUP, 0};
  return ::poll(&poll, 1, 0) != 0;
}

Awaitable<void> Wire::close() {
  stream_->tcp().expires_after(kLinger);
  if (auto* const tls = std::get_if<Stream::Tls>(&stream_->either)) {
    co_await tls->async_shutdown(kNoThrow);
  }
  error_code ignored;
  stream_->tcp().socket().shutdown(tcp::socket::shutdown_send, ignored);
  // What the client still sends is read, for a close with bytes unread would be a reset, and the
  // reset could overtake the answer.
  std::array<char, 4096> unwanted{};
  while (true) {
    const auto [error, size] =
        co_await stream_->tcp().async_read_some(asio::buffer(unwanted), kNoThrow);
    if (error) break;
  }
  stream_->tcp().close();
}

void Wire::drop() {
  error_code ignored;
  stream_->tcp().socket().shutdown(tcp::socket::shutdown_send, ignored);
  stream_->tcp().close();
}

void Wire::reset() {
  error_code ignored;
  stream_->tcp().socket().set_option(asio::socket_base::linger(true, 0), ignored);
  stream_->tcp().close();
}

}  // namespace ocsproxy::lab
