// A stream whose records are the kernel's, and splicing.

#include <algorithm>
#include <array>
#include <utility>

#include <openssl/ssl.h>

#include "tls/post_handshake.h"
#include "tls/stream.h"

namespace ocsproxy {
namespace {

constexpr const char* kNoRecord =
    "what came is no protected TLS record, or a TLS record is too long";
// What is not data is read whole: an alert has two bytes, a ClientHello some hundreds.
constexpr std::size_t kControlRoom = 2048;
// What OpenSSL reads ahead of a body: four records at once.
constexpr std::size_t kBulkReadSize = 4 * RecordProtection::kLargestRecord + 64;
// What goes through a pipe in one pass, and from how many records: a record may take five slots of
// the pipe, and must find them free (net/pipe_pool.cpp).
constexpr std::size_t kSplicePass = std::size_t{128} * 1024;
constexpr int kRecordsPerPass = 8;
}  // namespace

// ---- handing over

// Has every record that was sealed left, and does nothing forbid the next?
bool Stream::at_rest() const {
  return spill_.empty() && shared_.gathered_size == 0 && !said_goodbye_ && !broken_ &&
         ended_ == IoStatus::ok;
}

void Stream::expect_bulk() {
  if (ssl_ == nullptr || layer_.engaged()) return;
  hand_over_tls1_2();
  if (kernel_receives_) {
    forget_handshake();
  } else if (!std::exchange(bulk_, true)) {
    SSL_set_default_read_buffer_len(ssl_.get(), kBulkReadSize);
  }
}

void Stream::expect_to_send(std::uint64_t bytes) {
  if (layer_.engaged()) {
    if (std::max(bytes, key_used()) < key_limit() / 2) hand_over_sending();
  } else if (ssl_ != nullptr) {
    hand_over_tls1_2();
    forget_handshake();
  }
}

void Stream::hand_over_sending() {
  const RecordProtection& keys = layer_.sealing();
  if (kernel_asked_ || !at_rest() || !shared_.kernel.offers(TLS1_3_VERSION, keys)) return;
  kernel_asked_ = true;
  kernel_sends_ =
      attach_kernel_tls(socket_.fd()) && ocsproxy::kernel_sends(socket_.fd(), TLS1_3_VERSION, keys);
  if (kernel_sends_) backlog_.begin(socket_.fd(), TLS1_3_VERSION, keys);
}

// Both directions, because what OpenSSL reads may make it write.
void Stream::hand_over_tls1_2() {
  if (kernel_asked_ || !shared_.kernel.anything() || !at_rest() || !received_.empty() ||
      SSL_version(ssl_.get()) != TLS1_2_VERSION || SSL_has_pending(ssl_.get()) == 1) {
    return;
  }
  const BothWays keys = layer_.after_openssl(ssl_.get(), shared_.keys);
  kernel_asked_ = true;
  if (!shared_.kernel.offers(TLS1_2_VERSION, keys.in) || !attach_kernel_tls(socket_.fd()) ||
      !ocsproxy::kernel_receives(socket_.fd(), TLS1_2_VERSION, keys.in)) {
    return;
  }
  kernel_receives_ = true;
  kernel_sends_ = ocsproxy::kernel_sends(socket_.fd(), TLS1_2_VERSION, keys.out);
  server_ = SSL_is_server(ssl_.get()) == 1;
  if (kernel_sends_) {
    backlog_.begin(socket_.fd(), TLS1_2_VERSION, keys.out);
    return;
  }
  socket_.cancel(
      Error{.kind = ErrorKind::system, .detail = "the kernel took over only one direction of TLS"});
}

// ---- reading

// As much as is there. With no room at all something is read for the next call.
IoResult Stream::read_kernel(std::span<char> into) {
  if (!plain_.empty()) return take_plain(into);
  std::array<char, kControlRoom> own;
  const std::span<char> room = into.size() < own.size() ? std::span<char>(own) : into;
  IoResult got;
  while (got.status == IoStatus::ok && got.bytes == 0) got = next_kernel_record(room);
  if (got.status == IoStatus::would_block) return got;
  if (got.status != IoStatus::ok) {
    ended_ = got.status;
    return got;
  }
  if (room.data() == into.data()) return got;
  plain_.append(room.first(got.bytes));
  return take_plain(into);
}

// Deals with what is not data, and then has no bytes. `room`: kControlRoom at least.
IoResult Stream::next_kernel_record(std::span<char> room) {
  unsigned char type = SSL3_RT_APPLICATION_DATA;
  const IoResult got = socket_.receive_record(room, type);
  if (got.status == IoStatus::would_block) return got;
  if (got.status == IoStatus::closed) eof_ = true;
  if (got.status != IoStatus::ok) return {0, fail_socket_read()};
  if (type != SSL3_RT_APPLICATION_DATA) return {0, take_kernel_record(type, room.first(got.bytes))};
  if (got.bytes == 0) return {0, take_empty_record()};
  warnings_ = empty_records_ = 0;
  return got;
}

IoStatus Stream::take_empty_record() {
  return ++empty_records_ > kMostEmptyRecords ? refuse(SSL_AD_UNEXPECTED_MESSAGE, kEmptyRecords)
                                              : IoStatus::ok;
}

IoStatus Stream::take_kernel_record(unsigned char type, std::span<const char> content) {
  switch (type) {
    case SSL3_RT_ALERT:
      return take_alert(content);
    case SSL3_RT_HANDSHAKE: {
      constexpr char kNo[] = {SSL3_AL_WARNING, SSL_AD_NO_RENEGOTIATION};
      (void)send_kernel_alert(kNo);
      error_ = Error{.kind = ErrorKind::malformed,
                     .detail = server_ ? kClientRenegotiates : kSiteRenegotiates};
      return IoStatus::failed;
    }
    default:
      return refuse(SSL_AD_UNEXPECTED_MESSAGE, "a TLS record has a type that has no place here");
  }
}

IoStatus Stream::fail_socket_read() {
  if (socket_.cancelled()) {
    error_ = socket_.error();
    return IoStatus::failed;
  }
  const ErrorKind kind = socket_.error().kind;
  if (eof_ || (kind != ErrorKind::tls && kind != ErrorKind::malformed))
    return fail_read(SSL_ERROR_SYSCALL);
  // The kernel keeps the error, and would not send the alert, until somebody has asked for it.
  (void)connect_outcome(socket_.fd());
  return kind == ErrorKind::tls
             ? refuse(SSL_AD_BAD_RECORD_MAC, "decryption failed or bad record mac")
             : refuse(SSL_AD_UNEXPECTED_MESSAGE, kNoRecord);
}

// ---- writing

// In bytes: as much as the records have, full ones, after which we change the key ourselves.
std::uint64_t Stream::key_limit() const {
  return shared_.records_per_key * RecordProtection::kLargestContent;
}

// By us until the hand-over, and by the kernel.
std::uint64_t Stream::key_used() const {
  return layer_.sealed() * RecordProtection::kLargestContent + backlog_.taken();
}

// False when the kernel has sealed as much as a key of TLS 1.3 may (error() says so).
bool Stream::count_sealed(std::size_t bytes) {
  if (!kernel_sends_) return true;
  backlog_.took(bytes);
  if (!layer_.engaged() || key_used() <= key_limit()) return true;
  error_ =
      Error{.kind = ErrorKind::system,
            .detail = "the kernel cannot change the TLS key, and it has sealed as much as it may"};
  return false;
}

IoStatus Stream::send_kernel_alert(std::span<const char> content) {
  spill_.append(content);
  return flush_kernel_alerts();
}

IoStatus Stream::flush_kernel_alerts() {
  constexpr std::size_t kAlert = 2;
  while (!spill_.empty()) {
    const IoResult sent = socket_.send_record(SSL3_RT_ALERT, spill_.pending().first(kAlert));
    if (sent.status != IoStatus::ok) return sent.status;
    backlog_.took(kAlert);
    spill_.consume(kAlert);
  }
  return IoStatus::ok;
}

// What is left of finish_writing, where the kernel seals. False: not yet.
bool Stream::try_finish() {
  if (!kernel_sends_ || socket_.cancelled()) return true;
  const IoStatus said = flush_kernel_alerts();
  if (said == IoStatus::would_block) return false;
  if (said == IoStatus::ok && !backlog_.empty(socket_.fd())) return false;
  socket_.shutdown_write();
  return true;
}

// ---- splicing

IoResult Stream::try_splice_to(int pipe, std::size_t most) {
  std::size_t total = 0;
  most = std::min(most, kSplicePass);
  IoStatus status = IoStatus::ok;
  for (int records = 0; status == IoStatus::ok && total < most && records < kRecordsPerPass;) {
    const IoResult got = next_to_splice(pipe, most - total);
    status = got.status;
    if (got.bytes == 0) continue;
    total += got.bytes;
    ++records;
  }
  if (total != 0) {
    // The next call comes upon what ended it again, but for a failure: the kernel tells it once.
    if (status == IoStatus::failed) ended_ = status;
    return {total, IoStatus::ok};
  }
  // With bytes in the pipe it might have been the pipe that was full.
  if (status == IoStatus::would_block) socket_.drained();
  return {0, status};
}

// Has no bytes where it dealt with what is not data.
IoResult Stream::next_to_splice(int pipe, std::size_t most) {
  if (ended_ != IoStatus::ok) return {0, ended_};
  if (!plain_.empty()) return {0, IoStatus::closed};
  const IoResult got = socket_.splice_to(pipe, most);
  switch (got.status) {
    case IoStatus::ok:
      warnings_ = empty_records_ = 0;
      return got;
    case IoStatus::would_block:
      return got;
    default:
      break;
  }
  if (kernel_receives_ && !socket_.cancelled()) return {0, look_behind_splice(got.status)};
  if (got.status == IoStatus::failed) error_ = socket_.error();
  return got;
}

// Splicing came upon something else: an alert, the end, an empty record, or no record at all. The
// kernel says what only to who reads, and only once: it is kept.
IoStatus Stream::look_behind_splice(IoStatus refusal) {
  std::array<char, kControlRoom> room;
  IoResult got;
  if (refusal == IoStatus::failed && socket_.error().kind != ErrorKind::malformed) {
    got.status = fail_socket_read();
  } else {
    got = next_kernel_record(room);
    // Nothing is there: what splicing came upon is gone.
    if (got.status == IoStatus::would_block)
      got.status = refusal == IoStatus::failed ? fail_socket_read() : take_empty_record();
  }
  if (got.status != IoStatus::ok) ended_ = got.status;
  if (got.bytes != 0) plain_.append(std::span(room).first(got.bytes));
  return got.status;
}

IoResult Stream::try_splice_from(int pipe, std::size_t bytes) {
  if (broken_) return {0, IoStatus::failed};
  const IoResult result = socket_.splice_from(pipe, bytes);
  if (result.status == IoStatus::failed) error_ = socket_.error();
  if (result.status == IoStatus::ok && !count_sealed(result.bytes)) return {0, IoStatus::failed};
  return result;
}

}  // namespace ocsproxy
