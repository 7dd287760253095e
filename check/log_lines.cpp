#include "check/log_lines.h"

#include <cstring>

namespace ocsproxy {
namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

}  // namespace

LogLines::LogLines(Source source)
    : source_(std::move(source)), buffer_(std::make_unique_for_overwrite<char[]>(kCapacity)) {}

std::string_view LogLines::beginning() {
  while (!ended_ && end_ < kByteOrderMark.size()) fill();
  if (std::string_view(buffer_.get(), end_).starts_with(kByteOrderMark)) {
    begin_ = kByteOrderMark.size();
  }
  return {buffer_.get() + begin_, end_ - begin_};
}

std::optional<LogLines::Line> LogLines::next() {
  while (true) {
    char* const start = buffer_.get() + begin_;
    const std::size_t size = end_ - begin_;
    const void* const found = std::memchr(start + searched_, '\n', size - searched_);
    if (found == nullptr) {
      searched_ = size;
      if (!fill()) return last_line();
      continue;
    }
    const auto length = static_cast<std::size_t>(static_cast<const char*>(found) - start);
    begin_ += length + 1;
    searched_ = 0;
    const bool too_long = passing_over_ || length > kMaxLine;
    passing_over_ = false;
    Line line{too_long ? Line::State::too_long : Line::State::whole, {start, length}, ++lines_};
    if (line.text.ends_with('\r')) line.text.remove_suffix(1);
    return line;
  }
}

// Reads more behind what is there; false at the end.
bool LogLines::fill() {
  if (ended_) return false;
  if (end_ - begin_ > kMaxLine) {
    passing_over_ = true;
    begin_ = end_;
    searched_ = 0;
  }
  std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
  end_ -= begin_;
  begin_ = 0;
  const auto read = source_(std::span(buffer_.get(), kCapacity).subspan(end_));
  if (!read) error_ = read.error();
  ended_ = !read || *read == 0;
  if (ended_) return false;
  end_ += *read;
  bytes_ += *read;
  return true;
}

std::optional<LogLines::Line> LogLines::last_line() {
  const std::string_view text(buffer_.get() + begin_, end_ - begin_);
  if (error_ || (text.empty() && !passing_over_)) return std::nullopt;
  const bool too_long = passing_over_ || text.size() > kMaxLine;
  begin_ = end_;
  searched_ = 0;
  passing_over_ = false;
  return Line{too_long ? Line::State::too_long : Line::State::cut_off, text, ++lines_};
}

}  // namespace ocsproxy
