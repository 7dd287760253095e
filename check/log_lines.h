// The lines of a log of any length, in constant memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "base/error.h"

namespace ocsproxy {

// Reads large pieces and hands out lines as views into them. One thread.
class LogLines {
 public:
  // Fills a part of the span, from its beginning: how much. 0: the log ends here.
  using Source = std::function<Result<std::size_t>(std::span<char>)>;
  // A longer line is passed over; our own log's are at most 16 KiB.
  static constexpr std::size_t kMaxLine = std::size_t{64} * 1024;

  struct Line {
    enum class State : std::uint8_t {
      whole,
      cut_off,   // the log ends before the line does
      too_long,  // `text` is not to be used
    };
    State state = State::whole;
    std::string_view text;     // without its LF or CRLF; valid until the next call
    std::uint64_t number = 0;  // from 1
  };

  explicit LogLines(Source source);

  // What the log begins with, a UTF-8 byte order mark apart; "" when it is empty or cannot be read.
  // To be called before next().
  std::string_view beginning();
  // The next line; nothing at the end of the log, or where reading failed.
  std::optional<Line> next();
  // Why reading failed; null while it did not.
  const Error* error() const { return error_ ? &*error_ : nullptr; }
  // How much was read so far.
  std::uint64_t bytes() const { return bytes_; }

 private:
  static constexpr std::size_t kCapacity = std::size_t{256} * 1024;

  bool fill();
  std::optional<Line> last_line();

  const Source source_;
  const std::unique_ptr<char[]> buffer_;
  std::size_t begin_ = 0, end_ = 0;  // what is in the buffer
  std::size_t searched_ = 0;         // so much of it has no line end
  bool passing_over_ = false;        // in the middle of a line that is too long
  bool ended_ = false;
  std::uint64_t lines_ = 0, bytes_ = 0;
  std::optional<Error> error_;
};

}  // namespace ocsproxy
