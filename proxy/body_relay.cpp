#include "proxy/body_relay.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>

namespace ocsproxy {
namespace {

// What fits into a buffer is there before a pipe is made.
constexpr std::uint64_t kWorthAPipe = std::uint64_t{64} * 1024;
// A fast sender and a fast receiver never make a relay wait; the worker has others.
constexpr unsigned kPassesATurn = 4;
constexpr std::string_view kLastChunk = "0\r\n\r\n";

Side other(Side side) { return side == Side::client ? Side::upstream : Side::client; }

}  // namespace

// What goes out next, in order; views into the window, the decoder or a literal.
struct BodyRelay::Pieces {
  std::array<std::span<const char>, ChunkedDecoder::kMaxPieces + 1> all;
  std::size_t count = 0;

  void add(std::span<const char> piece) {
    if (!piece.empty()) all[count++] = piece;
  }
  // Puts `head` in front; in one piece with the first when it lies directly before it.
  void put_in_front(std::span<const char> head) {
    if (head.empty()) return;
    if (count != 0 && head.data() + head.size() == all[0].data()) {
      all[0] = {head.data(), head.size() + all[0].size()};
      return;
    }
    std::copy_backward(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(count),
                       all.begin() + static_cast<std::ptrdiff_t>(count) + 1);
    all[0] = head;
    ++count;
  }
};

// False: what was received breaks the protocol.
bool BodyRelay::take(Body& body, Window& window, Pieces& pieces) {
  switch (body.kind_) {
    case Body::Kind::length: {
      const auto size = static_cast<std::size_t>(
          std::min<std::uint64_t>(body.remaining_, window.end - window.begin));
      pieces.add({window.data + window.begin, size});
      window.begin += size;
      body.remaining_ -= size;
      body.ended_ = body.remaining_ == 0;
      return true;
    }
    case Body::Kind::until_close:
      pieces.add(window.received());
      window.begin = window.end;
      return true;
    case Body::Kind::chunk:
      take_as_chunk(window, pieces);
      return true;
    case Body::Kind::chunked:
      break;
  }
  if (window.empty()) return true;
  ChunkedDecoder::Output output;
  const ChunkedDecoder::State state = body.decoder_->feed(window.received(), output);
  if (state == ChunkedDecoder::State::failed) return false;
  for (const auto& piece : output.list()) pieces.add(piece);
  window.begin += output.consumed;
  body.ended_ = state == ChunkedDecoder::State::complete;
  return true;
}

// The size line goes into the room that was left in front of what was read, the line end behind.
void BodyRelay::take_as_chunk(Window& window, Pieces& pieces) {
  if (window.empty()) return;
  char line[Window::kChunkHead + 1];
  const int digits = std::snprintf(line, sizeof line, "%zx\r\n", window.end - window.begin);
  char* const start = window.data + window.begin - digits;
  std::memcpy(start, line, static_cast<std::size_t>(digits));
  std::memcpy(window.data + window.end, "\r\n", Window::kChunkTail);
  pieces.add(
      {start, static_cast<std::size_t>(digits) + (window.end - window.begin) + Window::kChunkTail});
  window.begin = window.end;
}

std::span<char> BodyRelay::room(const Body& body, Window& window) {
  std::size_t limit = window.capacity;
  std::size_t start = window.floor;
  if (body.kind_ == Body::Kind::chunk) {
    start += Window::kChunkHead;
    limit -= Window::kChunkTail;
  }
  if (window.empty()) window.begin = window.end = start;
  std::size_t size = limit - window.end;
  // What follows the body is the next message: it stays where it is.
  if (body.kind_ == Body::Kind::length)
    size = static_cast<std::size_t>(std::min<std::uint64_t>(size, body.remaining_));
  return {window.data + window.end, size};
}

// What has a form of its own (chunks) has to be looked at, and a tunnel may be idle for hours: it
// is not to hold a pipe.
bool BodyRelay::may_splice(const Stream& from, const Stream& to, const Body& body) {
  return body.kind_ == Body::Kind::length && body.remaining_ >= kWorthAPipe && from.gives_plain() &&
         to.takes_plain();
}

// From socket to socket, until the body ends or something fails; nothing when reading has to say
// what comes next.
Task<std::optional<RelayEnd>> BodyRelay::splice(Stream& from, Side from_side, Stream& to,
                                                Body& body, const Pipe& pipe, Progress& progress) {
  for (unsigned passes = 1; !body.ended_; ++passes) {
    progress.wait_for(from_side);
    const IoResult got = co_await from.splice_to(pipe.in.get(), body.remaining_);
    if (got.status == IoStatus::closed) co_return std::nullopt;
    if (got.status != IoStatus::ok) {
      Error error = from.error();
      error.side = from_side;
      co_return RelayEnd{RelayEnd::How::source_failed, std::move(error)};
    }
    progress.moved(from.socket().reactor().now());
    progress.wait_for(other(from_side));
    // Here, in front of the receiver, which is cancelled when this has to end.
    if (passes % kPassesATurn == 0) co_await NextTurn(from.socket().reactor());
    for (std::size_t left = got.bytes; left > 0;) {
      const IoResult sent = co_await to.splice_from(pipe.out.get(), left);
      if (sent.status != IoStatus::ok) {
        Error error = to.error();
        error.side = other(from_side);
        co_return RelayEnd{RelayEnd::How::sink_failed, std::move(error)};
      }
      left -= sent.bytes;
      progress.bytes += sent.bytes;
      progress.moved(from.socket().reactor().now());
    }
    body.remaining_ -= got.bytes;
    body.ended_ = body.remaining_ == 0;
  }
  co_return RelayEnd{};
}

Task<RelayEnd> BodyRelay::run(Stream& from, Side from_side, Stream& to, Body& body, Window& window,
                              std::span<const char> head, Progress& progress) {
  if (body.bulky()) {
    from.expect_bulk();
    to.expect_to_send(body.remaining());
  }
  while (true) {
    // 1. What has been received goes on. A chunked body may need several rounds to empty the
    // window.
    std::size_t before = 0;
    do {
      before = window.begin;
      Pieces pieces;
      if (!take(body, window, pieces)) {
        const Refusal& why = body.decoder_->refusal();
        co_return RelayEnd{.how = RelayEnd::How::source_failed,
                           .error = Error{.kind = ErrorKind::malformed,
                                          .side = from_side,
                                          .detail = std::string(why.why)},
                           .nothing_sent = !head.empty()};
      }
      if (body.data_bytes() > body.limit_) {
        co_return RelayEnd{.how = RelayEnd::How::source_failed,
                           .error = Error{.kind = ErrorKind::filtered, .side = from_side},
                           .nothing_sent = !head.empty()};
      }
      for (std::size_t i = 0; i < pieces.count; ++i) progress.bytes += pieces.all[i].size();
      pieces.put_in_front(head);
      head = {};
      for (std::size_t i = 0; i < pieces.count; i += 2) {
        progress.wait_for(other(from_side));
        const std::span<const char> second =
            i + 1 < pieces.count ? pieces.all[i + 1] : std::span<const char>();
        const IoStatus sent = co_await to.write(pieces.all[i], second);
        if (sent != IoStatus::ok) {
          Error error = to.error();
          error.side = other(from_side);
          co_return RelayEnd{RelayEnd::How::sink_failed, std::move(error)};
        }
        progress.moved(from.socket().reactor().now());
      }
    } while (!body.ended() && !window.empty() && window.begin != before);
    if (body.ended()) co_return RelayEnd{};

    // 2. More.
    if (may_splice(from, to, body)) {
      Pipe pipe = from.pipes().take();
      if (pipe) {
        std::optional<RelayEnd> end = co_await splice(from, from_side, to, body, pipe, progress);
        // After a failure bytes may be left in it.
        if (!end || end->how == RelayEnd::How::complete) from.pipes().give_back(std::move(pipe));
        if (end) co_return *std::move(end);
      }
    }
    progress.wait_for(from_side);
    const IoResult got = co_await from.read(room(body, window));
    if (got.status == IoStatus::ok) {
      window.end += got.bytes;
      progress.moved(from.socket().reactor().now());
      continue;
    }
    if (got.status == IoStatus::closed && body.kind_ == Body::Kind::until_close)
      co_return RelayEnd{};
    if (got.status == IoStatus::closed && body.kind_ == Body::Kind::chunk) {
      progress.wait_for(other(from_side));
      const IoStatus sent = co_await to.write(kLastChunk);
      if (sent == IoStatus::ok) co_return RelayEnd{};
      Error error = to.error();
      error.side = other(from_side);
      co_return RelayEnd{RelayEnd::How::sink_failed, std::move(error)};
    }
    Error error = got.status == IoStatus::closed
                      ? Error{.kind = ErrorKind::truncated,
                              .detail = "the connection ended before the body did"}
                      : from.error();
    error.side = from_side;
    co_return RelayEnd{RelayEnd::How::source_failed, std::move(error)};
  }
}

}  // namespace ocsproxy
