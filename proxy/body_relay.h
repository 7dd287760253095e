// One direction of a body: read, find what may be sent on, send, repeat, in one fixed buffer. While
// the receiver does not take what was read, nothing more is read: that is the back-pressure. No
// body byte is copied; what goes out are stretches of the buffer that the transport filled. Where
// the kernel has the records of both sides, or there is no TLS, the body is spliced and does not
// come here at all.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>

#include "base/error.h"
#include "net/pipe_pool.h"
#include "net/task.h"
#include "net/timer_wheel.h"
#include "proxy/chunked.h"
#include "proxy/client_pace.h"
#include "tls/stream.h"

namespace ocsproxy {

// The part of a buffer that one direction uses. Bytes [begin, end) have been received and not been
// dealt with; reading continues at `end`, and from `floor` on whenever nothing is left.
struct Window {
  // Room in front of and behind what is read, for the size line and the line end of a chunk.
  static constexpr std::size_t kChunkHead = 8;
  static constexpr std::size_t kChunkTail = 2;

  char* data = nullptr;
  std::size_t floor = 0;
  std::size_t capacity = 0;
  std::size_t begin = 0;
  std::size_t end = 0;

  std::span<const char> received() const { return {data + begin, end - begin}; }
  bool empty() const { return begin == end; }
};

// Where a body ends and in which form it goes on.
class Body {
 public:
  static Body none() { return Body(Kind::length, 0); }
  static Body length(std::uint64_t bytes) { return Body(Kind::length, bytes); }
  // Until the sender closes, and on as it is (to an HTTP/1.0 client) or in chunks of our own.
  static Body until_close() { return Body(Kind::until_close, 0); }
  static Body until_close_in_chunks() { return Body(Kind::chunk, 0); }
  static Body chunked(ChunkedDecoder::Mode mode, Side sender) { return Body(mode, sender); }

  // Of a chunked body, whose length only its end tells: with more data than that the relay fails
  // with ErrorKind::filtered, and nothing of what is too much goes on.
  void limit(std::uint64_t bytes) { limit_ = bytes; }
  // The data of a chunked body that has been seen.
  std::uint64_t data_bytes() const { return decoder_ ? decoder_->data_bytes() : 0; }

  bool ended() const { return ended_; }
  // How many bytes are known to come.
  std::uint64_t remaining() const { return remaining_; }
  // Large enough that reading several records at once pays.
  bool bulky() const { return kind_ != Kind::length || remaining_ > std::uint64_t{16} * 1024; }

 private:
  friend class BodyRelay;
  enum class Kind : std::uint8_t { length, chunked, until_close, chunk };
  Body(Kind kind, std::uint64_t length)
      : kind_(kind), remaining_(length), ended_(kind == Kind::length && length == 0) {}
  Body(ChunkedDecoder::Mode mode, Side sender)
      : kind_(Kind::chunked), remaining_(0), ended_(false), decoder_(std::in_place, mode, sender) {}

  Kind kind_;
  std::uint64_t remaining_;
  std::uint64_t limit_ = std::numeric_limits<std::uint64_t>::max();
  bool ended_;
  std::optional<ChunkedDecoder> decoder_;
};

// How a relay ended.
struct RelayEnd {
  enum class How : std::uint8_t {
    complete,
    source_failed,  // `error`: the sender broke off, broke the protocol, or was interrupted
    sink_failed,    // `error`: the receiver did
  };
  How how = How::complete;
  Error error{};
  bool nothing_sent = false;  // not even the head that was to go in front
};

class BodyRelay {
 public:
  struct Progress {
    Timer& timer;  // moved on at each progress of this direction
    std::chrono::milliseconds idle;
    // Which side is being waited for now, so that an expired timer can name it.
    Side waiting_for = Side::us;
    std::uint64_t bytes = 0;           // of the body, as sent on
    std::chrono::milliseconds last{};  // reactor time of the latest progress
    ClientPace* pace = nullptr;        // null: the client may be as slow as it likes

    void wait_for(Side side) {
      waiting_for = side;
      if (pace != nullptr) pace->waits(side == Side::client);
    }
    void moved(std::chrono::milliseconds now) {
      last = now;
      timer.arm(idle);
    }
  };

  // Relays `body` from one stream to the other through `window`, whose bytes came first. `head` is
  // sent in front of it, in one record where it lies directly before the first body bytes. All
  // arguments outlive the task. `from_side` is for `waiting_for`.
  static Task<RelayEnd> run(Stream& from, Side from_side, Stream& to, Body& body, Window& window,
                            std::span<const char> head, Progress& progress);

 private:
  struct Pieces;
  static bool may_splice(const Stream& from, const Stream& to, const Body& body);
  static Task<std::optional<RelayEnd>> splice(Stream& from, Side from_side, Stream& to, Body& body,
                                              const Pipe& pipe, Progress& progress);
  static bool take(Body& body, Window& window, Pieces& pieces);
  static void take_as_chunk(Window& window, Pieces& pieces);
  static std::span<char> room(const Body& body, Window& window);
};

}  // namespace ocsproxy
