// The chunked transfer coding (RFC 9112 7.1), decoded as it streams by. The decoder copies no body
// byte: it names the stretches of the received buffer that may be sent on. It accepts less than the
// grammar's most tolerant readers: CRLF alone ends a line, sizes have 1 to 15 hexadecimal digits
// without space, extensions must be well-formed and few.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/error.h"
#include "proxy/head.h"

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
    more,      // all was taken that could be; feed what was not consumed, then what comes next
    complete,  // the message has ended; bytes after `consumed` belong to the next one
    failed,    // `refusal` says why; nothing may be sent, and the message never ends cleanly
  };

  // Sizes of what is accepted beside data. Extensions may grow with the data, so that a peer that
  // signs each chunk is served and one that sends little else is not.
  static constexpr std::size_t kMaxSizeDigits = 15;
  static constexpr std::size_t kMaxExtensionLine = 1024;
  static constexpr std::size_t kFreeExtensionBytes = 16 * 1024;
  static constexpr std::size_t kMaxTrailerBytes = 8 * 1024;
  static constexpr std::size_t kMaxTrailerFields = 32;
  static constexpr std::size_t kMaxPieces = 8;

  struct Output {
    // What may be sent now, in order; views into the input of this call or into the decoder, valid
    // until the next call and as long as that input.
    std::array<std::span<const char>, kMaxPieces> pieces;
    std::size_t count = 0;
    std::size_t consumed = 0;  // bytes of the input that need not be given again

    std::span<const std::span<const char>> list() const { return std::span(pieces).first(count); }
  };

  // `sender` decides the status of refusals: 400, 413 or 431 for a client, 502 for an upstream.
  ChunkedDecoder(Mode mode, Side sender) : mode_(mode), sender_(sender) {}
  // Output may point into the decoder.
  ChunkedDecoder(const ChunkedDecoder&) = delete;
  ChunkedDecoder& operator=(const ChunkedDecoder&) = delete;

  // Takes the next received bytes. Bytes that end in the middle of a size line or a trailer section
  // are taken too, and remembered. State more with less than all consumed: the pieces are full;
  // send them and feed the rest. Not to be called again after complete or failed.
  State feed(std::span<const char> input, Output& output);

  std::uint64_t data_bytes() const { return data_bytes_; }  // body bytes seen so far
  const Refusal& refusal() const { return refusal_; }

 private:
  // Where in the coding the next byte stands. The names from extension_start to quoted_pair are the
  // grammar of chunk-ext; `space` names say after what optional white space has come.
  enum class At : std::uint8_t {
    size,
    before_semicolon,
    before_name,
    name,
    after_name,
    before_value,
    value,
    quoted,
    quoted_pair,
    after_quoted,
    size_lf,
    data,
    data_cr,
    data_lf,
    trailer,
    trailer_lf,
    end,
  };
  class Run;

  void fail(std::uint16_t client_status, std::string_view why);
  bool size_byte(char c);
  bool extension_byte(char c);
  bool trailer_byte(char c);
  bool finish_trailer_line();

  Mode mode_;
  Side sender_;
  At at_ = At::size;
  std::uint8_t digits_ = 0;
  std::uint64_t remaining_ = 0;  // of the current chunk; while its line is read, the size so far
  std::uint64_t data_bytes_ = 0;
  std::uint64_t extension_bytes_ = 0;
  std::size_t extension_line_ = 0;
  Refusal refusal_;
};

}  // namespace ocsproxy
