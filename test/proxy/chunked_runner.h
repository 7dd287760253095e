// Feeds a message to a ChunkedDecoder in parts that each live in memory of their own, so that the
// sanitizers see a view that outlives its part.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "proxy/chunked.h"

namespace ocsproxy::test {

struct Decoded {
  ChunkedDecoder::State state = ChunkedDecoder::State::more;
  std::string out;           // all pieces
  std::size_t consumed = 0;  // of the message
  std::size_t pieces = 0;
  std::uint64_t data_bytes = 0;
  Refusal refusal;
  std::vector<std::string> sent_before_end;  // `out` after each feed that did not end the message
};

// `parts`: the sizes of the parts, the last of which is what is left.
inline Decoded decode(ChunkedDecoder::Mode mode, std::string_view message,
                      const std::vector<std::size_t>& parts = {}, Side sender = Side::client) {
  ChunkedDecoder decoder(mode, sender);
  Decoded result;
  std::size_t next = 0;
  while (result.state == ChunkedDecoder::State::more && result.consumed < message.size()) {
    const std::size_t size = next < parts.size() ? parts[next++] : message.size();
    const std::string_view text = message.substr(result.consumed, size);
    std::vector<char> part(text.begin(), text.end());
    std::size_t taken = 0;
    while (taken < part.size() && result.state == ChunkedDecoder::State::more) {
      ChunkedDecoder::Output output;
      result.state = decoder.feed(std::span<const char>(part).subspan(taken), output);
      for (const auto piece : output.list()) result.out.append(piece.data(), piece.size());
      result.pieces += output.count;
      taken += output.consumed;
      if (result.state == ChunkedDecoder::State::more) result.sent_before_end.push_back(result.out);
      if (output.consumed == 0 && output.count == 0) return result;  // no progress: a defect
    }
    result.consumed += taken;
  }
  result.data_bytes = decoder.data_bytes();
  result.refusal = decoder.refusal();
  return result;
}

}  // namespace ocsproxy::test
