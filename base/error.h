// Errors as values. On the data path nothing throws: each operation says what failed, which side
// caused it and in which phase, and one function (proxy/failure.h) maps that to an HTTP status.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace ocsproxy {

enum class ErrorKind : std::uint8_t {
  closed,      // the peer ended the connection in an orderly way
  truncated,   // the peer ended it in the middle of something, or without close_notify
  reset,       // the peer reset it, or the network did
  timeout,     // a named deadline fired; `deadline` in Error says which
  refused,     // nobody listens, no route, or the address is not reachable
  unresolved,  // the name has no address
  untrusted,   // TLS: the peer's certificate was not accepted
  tls,         // TLS: any other failure of the protocol
  malformed,   // the message breaks the protocol
  too_large,   // a bounded part of the message is larger than its bound
  overloaded,  // a configured limit is reached
  loop,        // the request has been here before
  filtered,    // an HTTP filter refuses it
  cancelled,   // we ended it: drain, the other side failed, or the process stops
  system,      // the operating system refused: no descriptors, no memory, no permission
};

enum class Side : std::uint8_t { us, client, upstream };

// Where in an exchange an error struck; the access log prints these names.
enum class Phase : std::uint8_t {
  none,
  handshake,
  request_head,
  request_body,
  resolve,
  connect,
  upstream_handshake,
  send_request,
  response_head,
  response_body,
  tunnel,
};

// The names of the deadlines, as the configuration spells them.
enum class Deadline : std::uint8_t {
  none,
  handshake,
  request_head,
  idle,
  connect,
  response_head,
  linger,
  minimum_rate,
  queue
};

std::string_view to_string(ErrorKind kind);
std::string_view to_string(Side side);
std::string_view to_string(Phase phase);
std::string_view to_string(Deadline deadline);

struct [[nodiscard]] Error {
  ErrorKind kind = ErrorKind::system;
  Side side = Side::us;
  Phase phase = Phase::none;
  Deadline deadline = Deadline::none;  // set when kind is timeout
  std::string detail{};                // one sentence for the log; may be empty

  // "upstream reset in response_head: <detail>"
  std::string describe() const;
};

// errno as a word for people: "No such file or directory".
std::string errno_text(int error);

// A value or an Error. Small on purpose; boost::system::result throws on misuse and we do not.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value)
      : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: implicit by intent
  Result(Error error)
      : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit by intent

  explicit operator bool() const { return state_.index() == 0; }
  // Precondition: holds a value.
  T& operator*() & { return *std::get_if<0>(&state_); }
  const T& operator*() const& { return *std::get_if<0>(&state_); }
  T&& operator*() && { return std::move(*std::get_if<0>(&state_)); }
  T* operator->() { return std::get_if<0>(&state_); }
  const T* operator->() const { return std::get_if<0>(&state_); }
  // Precondition: holds an error.
  Error& error() & { return *std::get_if<1>(&state_); }
  const Error& error() const& { return *std::get_if<1>(&state_); }
  Error&& error() && { return std::move(*std::get_if<1>(&state_)); }

 private:
  std::variant<T, Error> state_;
};

struct Done {};
// The outcome of an operation that has no value to give.
using Status = Result<Done>;

}  // namespace ocsproxy
