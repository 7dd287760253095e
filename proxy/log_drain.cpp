#include "proxy/log_drain.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>

namespace ocsproxy {
namespace {

using std::chrono::seconds;

// How long one step waits for a pipe to take something.
constexpr int kPatienceMs = 50;
// While lines are being lost, the log says so this often.
constexpr seconds kBetweenRemarks{1};
// Losses that are further apart are told of twice.
constexpr seconds kEpisode{10};

std::string lines(std::uint64_t count) {
  return std::to_string(count) + (count == 1 ? " line" : " lines");
}

}  // namespace

void LogDrain::open(Descriptor log, Format format) {
  log_ = std::move(log);
  format_ = format;
  for (const auto& ring : rings_) ring->set_format(format);
  struct stat status {};
  is_file_ = ::fstat(log_.get(), &status) == 0 && S_ISREG(status.st_mode);
  // What was begun in the old one is begun again.
  offset_ = 0;
  remarking_ = remarked_;
  notice_.clear();
  notice_written_ = 0;
  if (format == Format::w3c) {
    std::array<char, kAccessLineBytes> buffer;
    notice_ = w3c_header(std::chrono::system_clock::now(), buffer);
  }
}

LogDrain::Step LogDrain::step() {
  const std::uint64_t lost = lost_in_rings();
  watch_losses(lost);
  if (offset_ != 0) return write_lines();
  if (!notice_.empty()) return write_notice();
  const bool more = next_ring();
  if (lost > remarked_ && (!more || Clock::now() - last_remark_ >= kBetweenRemarks)) {
    remark(lost);
    return write_notice();
  }
  return more ? write_lines() : Step::idle;
}

std::uint64_t LogDrain::finish() {
  std::uint64_t unwritten = 0;
  for (const auto& ring : rings_) {
    const AccessLogRing::Queued queued = ring->queued(0);
    unwritten +=
        static_cast<std::uint64_t>(std::count(queued.first.begin(), queued.first.end(), '\n') +
                                   std::count(queued.second.begin(), queued.second.end(), '\n'));
  }
  const std::uint64_t lost = lost_in_rings();
  watch_losses(lost);
  if (losing_) report_(LogLevel::warning, "access log: " + lines(lost - lost_before_) + " lost");
  if (unwritten != 0) {
    report_(LogLevel::error,
            "access log: " + lines(unwritten) + " could not be written before the end");
  }
  return unwritten;
}

LogDrain::Step LogDrain::write_notice() {
  const Written written = write(std::string_view(notice_).substr(notice_written_), {});
  notice_written_ += written.bytes;
  if (notice_written_ == notice_.size()) {
    notice_.clear();
    notice_written_ = 0;
    remarked_ = remarking_;
  }
  return written.step;
}

LogDrain::Step LogDrain::write_lines() {
  AccessLogRing& ring = *rings_[ring_];
  const AccessLogRing::Queued queued = ring.queued(offset_);
  const Written written = write(queued.first, queued.second);
  offset_ += written.bytes;
  // Only whole lines are given back: a half one may have to be written again, elsewhere.
  const AccessLogRing::Queued from_start = ring.queued(0);
  std::size_t whole = offset_;
  const auto at = [&](std::size_t i) {
    return i < from_start.first.size() ? from_start.first[i]
                                       : from_start.second[i - from_start.first.size()];
  };
  while (whole != 0 && at(whole - 1) != '\n') --whole;
  ring.release(whole);
  offset_ -= whole;
  return written.step;
}

LogDrain::Written LogDrain::write(std::string_view first, std::string_view second) {
  if (!is_file_) {
    // A reader that has stopped must not stop us: what a pipe surely takes is offered, no more.
    first = first.substr(0, PIPE_BUF);
    second = second.substr(0, PIPE_BUF - first.size());
    if (!wait_for_room()) return {Step::busy, 0};
  }
  std::array<iovec, 2> parts{};
  const auto part = [](std::string_view text) {
    // writev only reads, whatever iovec says.
    return iovec{const_cast<char*>(text.data()), text.size()};  // NOLINT
  };
  parts[0] = part(first);
  parts[1] = part(second);
  const ssize_t wrote = ::writev(log_.get(), parts.data(), second.empty() ? 1 : 2);
  if (wrote > 0) {
    if (std::exchange(failing_, false)) {
      report_(LogLevel::info, "access log: it can be written again");
    }
    return {Step::wrote, static_cast<std::size_t>(wrote)};
  }
  const int error = wrote == 0 ? ENOSPC : errno;
  if (error == EAGAIN || error == EINTR) return {Step::busy, 0};
  fail(error);
  return {Step::failed, 0};
}

bool LogDrain::wait_for_room() {
  std::array<pollfd, 2> polled{{{log_.get(), POLLOUT, 0}, {wake_, POLLIN, 0}}};
  // An error of poll is left to the write that follows.
  return ::poll(polled.data(), polled.size(), kPatienceMs) < 0 || polled[0].revents != 0;
}

void LogDrain::fail(int error) {
  if (std::exchange(failing_, true)) return;
  report_(LogLevel::error, "access log: cannot write: " + errno_text(error) +
                               "; lines wait in memory, and are lost when that is full");
}

// The next ring that has something, after the one that had its turn.
bool LogDrain::next_ring() {
  for (std::size_t i = 1; i <= rings_.size(); ++i) {
    const std::size_t candidate = (ring_ + i) % rings_.size();
    if (rings_[candidate]->queued(0).size() != 0) {
      ring_ = candidate;
      return true;
    }
  }
  return false;
}

void LogDrain::remark(std::uint64_t lost) {
  const std::uint64_t count = lost - remarked_;
  notice_ = format_ == Format::json
                ? "{\"remark\":\"lines lost\",\"lost\":" + std::to_string(count) + "}\n"
                : "#Remark: " + lines(count) + " lost\n";
  remarking_ = lost;
  last_remark_ = Clock::now();
}

std::uint64_t LogDrain::lost_in_rings() const {
  std::uint64_t lost = 0;
  for (const auto& ring : rings_) lost += ring->lost();
  return lost;
}

void LogDrain::watch_losses(std::uint64_t lost) {
  if (lost != lost_seen_) {
    last_loss_ = Clock::now();
    if (!std::exchange(losing_, true)) {
      lost_before_ = lost_seen_;
      report_(LogLevel::warning,
              "access log: lines are being lost, it cannot be written as fast as requests come");
    }
    lost_seen_ = lost;
  } else if (losing_ && Clock::now() - last_loss_ >= kEpisode) {
    losing_ = false;
    report_(LogLevel::warning, "access log: " + lines(lost - lost_before_) + " lost");
  }
}

}  // namespace ocsproxy
