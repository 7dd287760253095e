#include "tls/stream.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <new>

#include "base/free_list.h"

namespace ocsproxy {
namespace {

// What a spill grows to. Few sizes, so that the free lists soon have one of each: how much is left
// over differs from one time to the next. An alert or a ticket; half a record with its neighbour;
// all that was gathered; what a receiver that takes nothing may let wait.
constexpr std::array<std::size_t, 4> kSpillSizes{std::size_t{4} * 1024, std::size_t{32} * 1024,
                                                 TlsResources::kGathered, std::size_t{256} * 1024};

std::size_t spill_capacity(std::size_t wanted) {
  const auto* const size = std::lower_bound(kSpillSizes.begin(), kSpillSizes.end(), wanted);
  return size != kSpillSizes.end() ? *size : wanted;
}

}  // namespace

Stream::Spill::~Spill() { free_list::release(data_); }

void Stream::Spill::append(std::span<const char> bytes) {
  if (sent_ == size_) sent_ = size_ = 0;
  if (size_ + bytes.size() > capacity_) {
    const std::size_t wanted = spill_capacity(size_ + bytes.size());
    char* const larger = static_cast<char*>(free_list::reallocate(data_, wanted));
    if (larger == nullptr) throw std::bad_alloc();
    data_ = larger;
    capacity_ = wanted;
  }
  std::memcpy(data_ + size_, bytes.data(), bytes.size());
  size_ += bytes.size();
}

void Stream::Spill::consume(std::size_t bytes) {
  sent_ += bytes;
  if (sent_ != size_) return;
  free_list::release(data_);  // an idle connection holds nothing
  data_ = nullptr;
  size_ = sent_ = capacity_ = 0;
}

Stream::Stream(Reactor& reactor, Descriptor fd, bool connecting, TlsResources& shared)
    : socket_(reactor, std::move(fd), connecting), shared_(shared) {}

Stream::~Stream() = default;

// ---- reading

IoResult Stream::try_read(std::span<char> into) {
  if (ended_ != IoStatus::ok) return {0, ended_};
  if (secure()) return read_tls(into);
  const IoResult result = socket_.receive(into);
  if (result.status == IoStatus::failed) error_ = socket_.error();
  // The kernel tells a failure once, and then that there is nothing more.
  if (result.status == IoStatus::failed || result.status == IoStatus::closed)
    ended_ = result.status;
  return result;
}

bool Stream::take_interrupt() {
  if (!socket_.take_interrupt()) return false;
  error_ = Error{.kind = ErrorKind::cancelled};
  return true;
}

void Stream::Readable::on_ready() {
  interrupted_ = stream_.socket_.take_interrupt();
  if (!interrupted_ && !stream_.socket_.cancelled() && !stream_.maybe_readable()) return;
  stream_.socket_.wait_readable(nullptr);
  awaiting_.resume();
}

Stream::End Stream::peek_end() {
  if (ended_ != IoStatus::ok) return ended_ == IoStatus::closed ? End::half_closed : End::broken;
  if (!secure()) {
    char byte = 0;
    const ssize_t seen = ::recv(socket_.fd(), &byte, 1, MSG_PEEK);
    if (seen > 0 || (seen < 0 && errno == EAGAIN)) return End::none;
    if (seen == 0) return End::half_closed;
    error_ = Error{.kind = ErrorKind::reset, .detail = errno_text(errno)};
    ended_ = IoStatus::failed;
    return End::broken;
  }
  return peek_tls();
}

// ---- writing

IoStatus Stream::start_write(std::span<const char>& first, std::span<const char>& second) {
  if (socket_.cancelled()) {
    error_ = socket_.error();
    return IoStatus::failed;
  }
  if (broken_) return IoStatus::failed;  // after a fatal alert nothing is said (RFC 8446 6.2)
  if (takes_plain()) return continue_plain_write(first, second);
  if (!encrypt(first, second)) return IoStatus::failed;
  return send_gathered() ? flush() : IoStatus::failed;
}

IoStatus Stream::flush() {
  while (!spill_.empty()) {
    const IoResult result = socket_.send(spill_.pending());
    if (result.status != IoStatus::ok) {
      if (result.status == IoStatus::failed) error_ = socket_.error();
      return result.status;
    }
    spill_.consume(result.bytes);
  }
  return IoStatus::ok;
}

IoStatus Stream::continue_write(std::span<const char>& first, std::span<const char>& second) {
  return takes_plain() ? continue_plain_write(first, second) : flush();
}

IoStatus Stream::continue_plain_write(std::span<const char>& first, std::span<const char>& second) {
  while (!first.empty() || !second.empty()) {
    const IoResult result = second.empty()  ? socket_.send(first)
                            : first.empty() ? socket_.send(second)
                                            : socket_.send(first, second);
    if (result.status != IoStatus::ok) {
      if (result.status == IoStatus::failed) error_ = socket_.error();
      return result.status;
    }
    const std::size_t of_first = std::min(result.bytes, first.size());
    first = first.subspan(of_first);
    second = second.subspan(result.bytes - of_first);
    if (!count_sealed(result.bytes)) return IoStatus::failed;
  }
  return IoStatus::ok;
}

void Stream::finish_writing() {
  if (socket_.cancelled()) return;
  if (secure()) say_goodbye();
  if (!kernel_sends_) socket_.shutdown_write();
  (void)try_finish();
}

void Stream::Finished::await_suspend(std::coroutine_handle<> awaiting) {
  awaiting_ = awaiting;
  stream_.socket_.wait_writable(this);
  again_.arm(TimerWheel::kTick);
}

void Stream::Finished::on_ready() {
  if (!stream_.try_finish()) {
    again_.arm(TimerWheel::kTick);
    return;
  }
  again_.clear();
  stream_.socket_.wait_writable(nullptr);
  awaiting_.resume();
}

// ---- handshake

void Stream::Handshake::wait() {
  stream_.socket_.wait_readable(this);
  stream_.socket_.wait_writable(stream_.spill_.empty() ? nullptr : this);
}

void Stream::Handshake::await_suspend(std::coroutine_handle<> awaiting) {
  awaiting_ = awaiting;
  wait();
}

void Stream::Handshake::on_ready() {
  try {
    status_ = stream_.try_handshake();
  } catch (const std::bad_alloc&) {
    starved_ = true;
    status_ = IoStatus::failed;
  }
  if (status_ == IoStatus::would_block) {
    wait();
    return;
  }
  stream_.socket_.wait_readable(nullptr);
  stream_.socket_.wait_writable(nullptr);
  awaiting_.resume();
}

}  // namespace ocsproxy
