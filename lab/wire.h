// One accepted connection, with TLS or without: bytes in, bytes out, and every way to end it.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>

namespace ocsproxy::lab {

template <typename T>
using Awaitable = boost::asio::awaitable<T>;

// Used by one coroutine at a time. Destroying it closes the connection without ceremony.
class Wire {
 public:
  // `tls`: null for plain TCP; must outlive the wire. `idle`: a read or a write that takes longer
  // ends the connection.
  Wire(boost::asio::ip::tcp::socket socket, boost::asio::ssl::context* tls,
       std::chrono::milliseconds idle);
  ~Wire();

  // TLS only, before all else; on plain TCP it is done already. False when it failed.
  Awaitable<bool> handshake();
  // At least one byte; 0 at the end of the stream, however it came.
  Awaitable<std::size_t> read(std::span<char> into);
  // All of it; false when the connection is gone. `bytes` must stay until it is done.
  Awaitable<bool> write(std::string_view bytes);
  // Has the client sent its FIN, or a reset? Does not read, so what came before stays.
  bool peer_left() const;
  // The orderly end: close_notify where there is TLS, then FIN, then at most two seconds for the
  // client's.
  Awaitable<void> close();
  // FIN, and no close_notify before it.
  void drop();
  // RST.
  void reset();

 private:
  struct Stream;
  std::unique_ptr<Stream> stream_;
};

}  // namespace ocsproxy::lab
