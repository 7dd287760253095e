// One request and its answer on a connection of the pool. The request's body is read as it comes
// and never kept; the answer is whatever bytes the handler composes, so that it can be a wrong one.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lab/wire.h"

namespace ocsproxy::lab {

inline constexpr std::size_t kKiB = 1024;
inline constexpr std::size_t kMiB = 1024 * kKiB;

using Field = std::pair<std::string, std::string>;
using Fields = std::vector<Field>;

struct RequestHead {
  std::string text;    // as received, with the empty line
  std::string method;  // as received
  std::string target;
  std::string path;   // of the target, lower case, not decoded: IIS does not care about case
  std::string query;  // of the target, without the question mark
  unsigned version = 11;
  Fields fields;  // in the order of their coming

  // The first value, "" when there is none.
  std::string_view field(std::string_view name) const;
  // A parameter of the query, percent-decoded; empty when it is not there.
  std::optional<std::string> parameter(std::string_view name) const;
};

// The same for any text of the form of a query.
std::optional<std::string> query_parameter(std::string_view query, std::string_view name);

// An answer's head. `Server`, `X-Powered-By` and `Date` are added to it.
struct Reply {
  unsigned status = 200;
  Fields fields;  // without framing: the exchange writes Content-Length or Transfer-Encoding
};

// A reply with a Content-Type. (A braced list inside a co_await expression is more than g++ 12 can
// compile.)
Reply typed_reply(unsigned status, std::string content_type);

// Standard text: "Not Found"; "Status" for an unusual number.
std::string_view reason_of(unsigned status);

class Exchange {
 public:
  // `pending` holds what was read from the wire behind the request before; both outlive this.
  Exchange(Wire& wire, std::string& pending);
  ~Exchange();

  enum class Received : std::uint8_t { request, end, malformed };
  Awaitable<Received> receive();
  const RequestHead& head() const { return head_; }
  // What came behind the head, for a protocol that takes over; nothing is left for this one.
  std::string take_pending() { return std::exchange(pending_, std::string()); }

  // The next piece of the body, chunked coding removed; 0 at its end, or when it breaks off, which
  // keeps the connection from being used again. Sends 100 Continue if the client waits for it.
  Awaitable<std::size_t> read_body(std::span<char> into);
  // The trailer fields, once the body has been read.
  const Fields& trailers() const { return trailers_; }

  // The fields of every answer from now on.
  void add_field(std::string name, std::string value);
  // Answer with a body that is there as a whole. To HEAD goes the head alone.
  Awaitable<void> reply(Reply reply, std::string_view body);
  // Answer with a body that comes piece by piece: of `length` bytes, or chunked (closed at the end,
  // for HTTP/1.0). False when the client is gone, or wants only the head: then no piece is sent.
  Awaitable<bool> begin(Reply reply, std::optional<std::uint64_t> length);
  Awaitable<bool> piece(std::string_view bytes);
  // Waits. False, and early, when the client has left meanwhile.
  Awaitable<bool> pause(std::chrono::milliseconds duration);
  // The end of a chunked body, with these trailer fields.
  Awaitable<void> end(const Fields& trailers = {});
  // These bytes and no others.
  Awaitable<bool> raw(std::string_view bytes);
  // The text of an answer's head with the fields of every answer and the framing given.
  std::string head_text(const Reply& reply, std::string_view framing) const;

  // The connection is to be closed after this exchange, or, when `abrupt`, is closed already.
  void close_afterwards() { keep_alive_ = false; }
  void closed() { keep_alive_ = false, gone_ = true; }
  // The connection is closed, by the handler or by the client.
  bool gone() const { return gone_; }
  // Reads what is left of the request's body. True when the connection is good for another request.
  Awaitable<bool> finish();

  Wire& wire() { return wire_; }

 private:
  struct Parser;
  // Gives the parser more bytes; false at the end of the stream.
  Awaitable<bool> fill();
  std::string connection_field() const;

  Wire& wire_;
  std::string& pending_;
  std::unique_ptr<Parser> parser_;
  RequestHead head_;
  Fields trailers_;
  Fields common_;
  bool keep_alive_ = true;
  bool continue_expected_ = false;
  bool answered_ = false;
  bool chunked_ = false;
  bool gone_ = false;
};

}  // namespace ocsproxy::lab
