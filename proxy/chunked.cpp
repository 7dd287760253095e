#include "proxy/chunked.h"

#include <algorithm>
#include <charconv>

namespace ocsproxy {

class ChunkedDecoder::Stretch {
 public:
  explicit Stretch(Output& output) : output_(output) { output_.count = 0; }

  void open(const char* begin) { begin_ = begin; }
  // Ends the stretch before `limit`; without an open one nothing happens.
  void close(const char* limit) {
    if (begin_ != nullptr && limit != begin_) push({begin_, limit});
    begin_ = nullptr;
  }
  void push(std::span<const char> piece) { output_.pieces[output_.count++] = piece; }
  // Between two of these questions at most one piece is added and one stretch left open.
  bool is_full() const { return output_.count + 2 > kMaxPieces; }

  const char* at = nullptr;    // the next byte
  const char* end = nullptr;   // of the input
  const char* line = nullptr;  // where the unfinished size line begins, when it does in this input
  const char* extension = nullptr;  // where its extensions begin, likewise
  // Where the line of the last chunk begins, as long as it and an empty trailer section may be one
  // stretch of this input.
  const char* last_chunk = nullptr;

 private:
  Output& output_;
  const char* begin_ = nullptr;
};

ChunkedDecoder::State ChunkedDecoder::fail(bool too_large, std::uint16_t too_large_status,
                                           std::string_view why) {
  const std::uint16_t client_status = too_large ? too_large_status : 400;
  refusal_ = {sender_ == Side::client ? client_status : std::uint16_t{502}, why};
  return State::failed;
}

// The size line is complete: what went before it, the line itself and its data are joined into one
// stretch where nothing has to be cut out.
void ChunkedDecoder::begin_chunk(Stretch& stretch) {
  remaining_ = line_.size();
  part_ = remaining_ == 0 ? Part::trailer : Part::data;
  const bool plain = line_.extension_bytes() == 0;
  if (mode_ == Mode::verbatim) {
    if (line_split_ && remaining_ > 0) {
      char* const first = size_line_.data();
      char* last = std::to_chars(first, first + size_line_.size() - 2, remaining_, 16).ptr;
      *last++ = '\r';
      *last++ = '\n';
      stretch.push({first, last});
      stretch.open(stretch.at);
    } else if (remaining_ > 0 && !plain) {
      stretch.close(stretch.extension);
      stretch.open(stretch.at - 2);
    } else if (remaining_ == 0 && !line_split_) {
      if (plain) {
        stretch.last_chunk = stretch.line;
      } else {
        stretch.close(stretch.line);
      }
    }
  }
  line_.reset();
  line_split_ = false;
  stretch.line = nullptr;
}

ChunkedDecoder::State ChunkedDecoder::take_size_line(Stretch& stretch) {
  if (!line_.started()) stretch.line = stretch.at;
  while (stretch.at != stretch.end) {
    const ChunkLine::Step step = line_.take(*stretch.at++);
    if (line_.extension_bytes() == 1) stretch.extension = stretch.at - 1;
    if (step == ChunkLine::Step::more) continue;
    if (step != ChunkLine::Step::complete) {
      return fail(step == ChunkLine::Step::too_large, 413, line_.why());
    }
    extension_bytes_ += line_.extension_bytes();
    if (extension_bytes_ > kFreeExtensionBytes + data_bytes_) {
      return fail(true, 413, "the chunk extensions are much longer than the data");
    }
    begin_chunk(stretch);
    break;
  }
  return State::more;
}

void ChunkedDecoder::take_data(Stretch& stretch) {
  const auto here = static_cast<std::size_t>(stretch.end - stretch.at);
  const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, here));
  if (mode_ == Mode::data) stretch.push({stretch.at, size});
  stretch.at += size;
  remaining_ -= size;
  data_bytes_ += size;
  if (remaining_ == 0) part_ = Part::data_cr;
}

ChunkedDecoder::State ChunkedDecoder::take_trailer(Stretch& stretch) {
  while (stretch.at != stretch.end) {
    const char c = *stretch.at++;
    const TrailerSection::Step step = trailer_.take(c);
    if (step == TrailerSection::Step::malformed || step == TrailerSection::Step::too_large) {
      return fail(step == TrailerSection::Step::too_large, 431, trailer_.why());
    }
    if (step == TrailerSection::Step::complete) {
      if (mode_ == Mode::data) return State::complete;
      if (stretch.last_chunk != nullptr) {
        stretch.close(stretch.at);
      } else {
        stretch.push(trailer_.message_end());
      }
      return State::complete;
    }
    if (stretch.last_chunk != nullptr && c != '\r') {
      stretch.close(stretch.last_chunk);
      stretch.last_chunk = nullptr;
    }
  }
  return State::more;
}

ChunkedDecoder::State ChunkedDecoder::walk(Stretch& stretch) {
  State state = State::more;
  while (stretch.at != stretch.end && state == State::more) {
    switch (part_) {
      case Part::size_line:
        if (!line_.started() && stretch.is_full()) return State::more;
        state = take_size_line(stretch);
        break;
      case Part::data:
        take_data(stretch);
        break;
      case Part::data_cr:
      case Part::data_lf:
        if (*stretch.at++ != (part_ == Part::data_cr ? '\r' : '\n')) {
          return fail(false, 0, "the data of a chunk does not end with CRLF");
        }
        part_ = part_ == Part::data_cr ? Part::data_lf : Part::size_line;
        break;
      case Part::trailer:
        state = take_trailer(stretch);
        break;
    }
  }
  return state;
}

ChunkedDecoder::State ChunkedDecoder::feed(std::span<const char> input, Output& output) {
  Stretch stretch(output);
  stretch.at = input.data();
  stretch.end = input.data() + input.size();
  line_split_ = part_ == Part::size_line && line_.started();
  if (mode_ == Mode::verbatim && !line_split_ && part_ != Part::trailer) stretch.open(stretch.at);

  const State state = walk(stretch);
  output.consumed = static_cast<std::size_t>(stretch.at - input.data());
  if (state == State::failed) output.count = 0;
  if (state == State::more) {
    // A line that may yet turn out to be the last chunk, or wrong, waits for its end.
    const char* const held = stretch.last_chunk != nullptr ? stretch.last_chunk : stretch.line;
    stretch.close(held != nullptr ? held : stretch.at);
  }
  return state;
}

}  // namespace ocsproxy
