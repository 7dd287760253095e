// The chunked transfer coding (RFC 9112 7.1), decoded as it streams by. The decoder copies no body
// byte: it names the stretches of the received buffer that may be sent on. It accepts less than the
// grammar's most tolerant readers: CRLF alone ends a line, sizes have 1 to 15 hexadecimal digits
// and no white space around them, extensions must be well-formed and few.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/error.h"
#include "proxy/chunk_line.h"
#include "proxy/head.h"
#include "proxy/trailer_section.h"

namespace ocsproxy {

class ChunkedDecoder {
 public:
  enum class Mode : std::uint8_t {
    // The pieces are a chunked coding of the same data that may be sent as it is: without
    // extensions and without the trailer fields that may not be passed on.
    verbatim,
    // The pieces are the data alone.
    data,
  };
  enum class State : std::uint8_t {
    more,      // the message has not ended
    complete,  // it has; bytes after `consumed` belong to the next one
    failed,    // refusal() says why; nothing of this call may be sent, and no clean end follows
  };

  static constexpr std::size_t kMaxPieces = 8;
  // Extensions of all chunks together may be that much longer than the data: a peer that signs each
  // chunk is served, one that sends little else is not.
  static constexpr std::uint64_t kFreeExtensionBytes = 16384;

  struct Output {
    // What may be sent now, in order and none of them empty: views into the input or into the
    // decoder, valid until the next call.
    std::array<std::span<const char>, kMaxPieces> pieces;
    std::size_t count = 0;
    // Bytes of the input that were taken. Less than all of it in state more: `pieces` is full; send
    // them and feed the rest.
    std::size_t consumed = 0;

    std::span<const std::span<const char>> list() const { return std::span(pieces).first(count); }
  };

  // `sender` decides the status of refusals: 400, 413 or 431 for a client, 502 for an upstream.
  ChunkedDecoder(Mode mode, Side sender) : mode_(mode), sender_(sender) {}
  ChunkedDecoder(const ChunkedDecoder&) = delete;  // output may point into the decoder
  ChunkedDecoder& operator=(const ChunkedDecoder&) = delete;

  // Takes the next received bytes, of which it may be any number: a size line or trailer section
  // cut anywhere is remembered. What was sent so far is at each moment the beginning of a valid
  // message; the last chunk is named only when the whole trailer section has come and is valid. Not
  // to be called again after complete or failed.
  State feed(std::span<const char> input, Output& output);

  std::uint64_t data_bytes() const { return data_bytes_; }  // body bytes seen so far
  const Refusal& refusal() const { return refusal_; }

 private:
  enum class Part : std::uint8_t { size_line, data, data_cr, data_lf, trailer };
  // The stretch of input that is being collected; one object for each call of feed().
  class Stretch;

  State walk(Stretch& stretch);
  State take_size_line(Stretch& stretch);
  void take_data(Stretch& stretch);
  State take_trailer(Stretch& stretch);
  void begin_chunk(Stretch& stretch);
  State fail(bool too_large, std::uint16_t too_large_status, std::string_view why);

  Mode mode_;
  Side sender_;
  Part part_ = Part::size_line;
  bool line_split_ = false;         // the size line began in an earlier call
  std::array<char, 20> size_line_;  // a split one, written anew; uninitialised until then
  ChunkLine line_;
  std::uint64_t remaining_ = 0;  // data bytes of the current chunk that have not come
  std::uint64_t data_bytes_ = 0;
  std::uint64_t extension_bytes_ = 0;
  Refusal refusal_;
  TrailerSection trailer_;
};

}  // namespace ocsproxy
