// The TLS half of a stream: what OpenSSL reads and writes, and the records that are ours.

#include <algorithm>
#include <array>
#include <cstring>
#include <new>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "tls/post_handshake.h"
#include "tls/stream.h"
#include "tls/verify_failure.h"

namespace ocsproxy {
namespace {

using Protection = RecordProtection;

// A peer that makes us answer (key updates, alerts) without reading the answers is cut off here.
constexpr std::size_t kLargestSpill = std::size_t{256} * 1024;
// What OpenSSL reads ahead of a body: four records at once.
constexpr std::size_t kBulkReadSize = 4 * Protection::kLargestRecord + 64;
// What is read at once while the handshake runs.
constexpr std::size_t kHandshakeReadSize = std::size_t{16} * 1024;

// How many bytes the record at the front of `bytes` has, header and all; 0 while that is not known.
std::size_t record_size(std::span<const char> bytes) {
  if (bytes.size() < Protection::kHeaderSize) return 0;
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  return Protection::kHeaderSize + (static_cast<std::size_t>(byte(3)) << 8 | byte(4));
}

// Can it be application data at all?
bool is_sealed(std::span<const char> bytes) {
  const std::size_t size = record_size(bytes);
  return bytes[0] == SSL3_RT_APPLICATION_DATA && size <= Protection::kLargestRecord &&
         size >= Protection::kHeaderSize + Protection::kTagSize;
}

// The record at the front of `bytes`; empty while it is not complete. What cannot be a record is
// not waited for: it comes as it is.
std::span<const char> front_record(std::span<const char> bytes) {
  const std::size_t size = record_size(bytes);
  if (size == 0) return {};
  if (!is_sealed(bytes)) return bytes;
  return bytes.size() < size ? std::span<const char>() : bytes.first(size);
}

}  // namespace

// The BIO_METHOD: calls of OpenSSL turned into calls of the stream behind it.
struct StreamBio {
  static Stream* stream(BIO* bio) { return static_cast<Stream*>(BIO_get_data(bio)); }

  static int read(BIO* bio, char* into, int size) {
    BIO_clear_retry_flags(bio);
    bool retry = false;
    const int got = stream(bio)->bio_read({into, static_cast<std::size_t>(size)}, retry);
    if (retry) BIO_set_retry_read(bio);
    return got;
  }
  static int write(BIO* bio, const char* data, int size) {
    BIO_clear_retry_flags(bio);
    stream(bio)->bio_write({data, static_cast<std::size_t>(size)});
    return size;
  }
  static long control(BIO* bio, int command, long, void*) {
    switch (command) {
      case BIO_CTRL_FLUSH:
        return 1;  // the stream sends when OpenSSL has returned
      case BIO_CTRL_EOF:
        return stream(bio)->eof_ ? 1 : 0;
      default:
        return 0;
    }
  }
  static const BIO_METHOD* method() {
    static const BIO_METHOD* const kMethod = [] {
      BIO_METHOD* made =
          BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "ocsproxy stream");
      BIO_meth_set_read(made, &StreamBio::read);
      BIO_meth_set_write(made, &StreamBio::write);
      BIO_meth_set_ctrl(made, &StreamBio::control);
      return made;
    }();
    return kMethod;
  }
};

void Stream::start_tls(SslPtr ssl) {
  ssl_ = std::move(ssl);
  BIO* const bio = BIO_new(StreamBio::method());
  if (bio == nullptr) throw std::bad_alloc();
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);
  layer_.watch(ssl_.get());
}

void Stream::expect_bulk() {
  if (ssl_ == nullptr || layer_.reads() || std::exchange(bulk_, true)) return;
  SSL_set_default_read_buffer_len(ssl_.get(), kBulkReadSize);
}

bool Stream::maybe_readable() const {
  if (socket_.maybe_readable()) return true;
  if (ssl_ == nullptr) return false;
  if (layer_.reads()) return !plain_.empty() || record_waits_;
  // A half-received record is pending too, and only the socket can complete it.
  return !drained_ && (!received_.empty() || SSL_has_pending(ssl_.get()) == 1);
}

// ---- the BIO's ends

int Stream::bio_read(std::span<char> into, bool& retry) {
  if (feeding_) {
    const std::size_t size = std::min(into.size(), feed_.size());
    std::copy_n(feed_.begin(), size, into.begin());
    feed_ = feed_.subspan(size);
    retry = size == 0;
    return retry ? -1 : static_cast<int>(size);
  }
  if (!received_.empty()) {
    const std::size_t size = std::min(into.size(), received_.size());
    std::copy_n(received_.pending().begin(), size, into.begin());
    received_.consume(size);
    return static_cast<int>(size);
  }
  // What comes behind the handshake must not end up in OpenSSL's buffers: it may be ours to open.
  const std::span<char> room =
      handshaken_ ? into : std::span(shared_.received).first(kHandshakeReadSize);
  const IoResult result = socket_.receive(room);
  switch (result.status) {
    case IoStatus::ok: {
      if (handshaken_) return static_cast<int>(result.bytes);
      const std::size_t size = std::min(into.size(), result.bytes);
      std::copy_n(room.begin(), size, into.begin());
      if (size < result.bytes) received_.append(room.subspan(size, result.bytes - size));
      return static_cast<int>(size);
    }
    case IoStatus::would_block:
      retry = true;
      return -1;
    case IoStatus::closed:
      eof_ = true;
      return 0;
    case IoStatus::failed:
      break;
  }
  return -1;
}

void Stream::bio_write(std::span<const char> data) {
  // A failure shows again when the rest is sent.
  if (data.size() > TlsResources::kGathered - shared_.gathered_size) (void)send_gathered();
  if (data.size() > TlsResources::kGathered) {
    spill_.append(data);
    return;
  }
  const std::span<char> place =
      std::span(shared_.gathered).subspan(shared_.gathered_size, data.size());
  std::copy(data.begin(), data.end(), place.begin());
  shared_.gathered_size += data.size();
  for (std::span<char> rest = place; layer_.writes() && !rest.empty();) {
    const std::size_t size = record_size(rest);
    if (size == 0 || size > rest.size() || !layer_.renumber(rest.first(size))) {
      // The peer would not understand it, nor what follows.
      shared_.gathered_size -= data.size();
      return;
    }
    rest = rest.subspan(size);
  }
}

bool Stream::send_gathered() {
  std::span<const char> rest(shared_.gathered.data(), shared_.gathered_size);
  shared_.gathered_size = 0;
  if (rest.empty()) return true;
  if (spill_.empty()) {
    const IoResult result = socket_.send(rest);
    if (result.status == IoStatus::failed) {
      error_ = socket_.error();
      return false;
    }
    rest = rest.subspan(result.bytes);
  }
  if (rest.empty()) return true;
  if (spill_.size() + rest.size() > kLargestSpill) {
    socket_.cancel(Error{.kind = ErrorKind::overloaded,
                         .detail = "the peer does not read what it makes us send"});
    error_ = socket_.error();
    return false;
  }
  spill_.append(rest);
  return true;
}

// ---- reading

IoResult Stream::read_tls(std::span<char> into) {
  if (socket_.cancelled()) {
    error_ = socket_.error();
    return {0, IoStatus::failed};
  }
  IoResult result{0, IoStatus::would_block};
  if (layer_.reads()) result = read_records(into);
  // Also when a key update has just handed reading over.
  if (!layer_.reads() && result.status == IoStatus::would_block) result = read_openssl(into);
  send_answers();
  return result;
}

IoResult Stream::read_openssl(std::span<char> into) {
  std::size_t total = 0;
  while (total < into.size() && maybe_readable()) {
    std::size_t got = 0;
    if (SSL_read_ex(ssl_.get(), into.data() + total, into.size() - total, &got) == 1) {
      total += got;
      drained_ = false;
      continue;
    }
    const IoStatus status = fail_read(SSL_get_error(ssl_.get(), 0));
    if (status != IoStatus::would_block) ended_ = status;
    if (total == 0) return {0, status};
    break;
  }
  return {total, total != 0 ? IoStatus::ok : IoStatus::would_block};
}

// As many records as are there and fit, opened where the caller wants their contents. With no room
// at all one record is opened for the next call.
IoResult Stream::read_records(std::span<char> into) {
  if (!plain_.empty()) {
    const std::size_t size = std::min(into.size(), plain_.size());
    std::copy_n(plain_.pending().begin(), size, into.begin());
    plain_.consume(size);
    return {size, IoStatus::ok};
  }
  char* const data = shared_.received.data();
  std::size_t begin = 0;
  std::size_t end = received_.size();
  std::copy_n(received_.pending().begin(), end, data);
  received_.consume(end);

  std::size_t total = 0;
  IoStatus status = IoStatus::ok;
  const auto served = [&] { return total != 0 || !plain_.empty(); };
  while (status == IoStatus::ok && layer_.reads()) {
    const std::span<const char> record = front_record({data + begin, end - begin});
    if (record.empty()) {
      if (served()) break;
      std::memmove(data, data + begin, end - begin);
      end -= begin;
      begin = 0;
      const IoResult got = receive_records(into.size(), end);
      status = got.status;
      end += got.bytes;
      continue;
    }
    if (served() && record.size() > into.size() - total) break;
    begin += record.size();
    status = take_record(record, into, total);
  }
  const std::span<const char> left(data + begin, end - begin);
  if (!left.empty()) received_.append(left);
  record_waits_ = !front_record(left).empty();
  if (status != IoStatus::ok && status != IoStatus::would_block) ended_ = status;
  if (served()) return {total, IoStatus::ok};
  return {0, status == IoStatus::ok ? IoStatus::would_block : status};
}

// Behind `held` bytes of the shared buffer. As much as `room` can hold the contents of, in whole
// records as far as can be told from the size of the last one: what comes in halves is moved.
IoResult Stream::receive_records(std::size_t room, std::size_t held) {
  const std::size_t fitting = room / (record_size_ - Protection::kOverhead);
  const std::size_t most = TlsResources::kReceived / record_size_;
  const std::size_t aligned = record_size_ * std::clamp<std::size_t>(fitting, 1, most);
  const std::size_t known = record_size({shared_.received.data(), held});
  const std::size_t least = known != 0 ? known : held + Protection::kHeaderSize;
  const IoResult got =
      socket_.receive(std::span(shared_.received).subspan(held, std::max(aligned, least) - held));
  if (got.status == IoStatus::closed) {
    eof_ = true;
    return {0, fail_read(SSL_ERROR_SYSCALL)};
  }
  if (got.status == IoStatus::failed) return {0, fail_read(SSL_ERROR_SYSCALL)};
  return got;
}

IoStatus Stream::take_record(std::span<const char> record, std::span<char> into,
                             std::size_t& total) {
  if (!is_sealed(record)) return feed_openssl(record);
  const std::size_t size = record.size() - Protection::kHeaderSize - Protection::kTagSize;
  const std::span<char> room = into.subspan(total);
  const bool fits = size <= room.size();
  char* const body =
      shared_.received.data() + (record.data() - shared_.received.data()) + Protection::kHeaderSize;
  const RecordLayer::Opened opened = layer_.open(record, fits ? room.data() : body);
  std::array<char, Protection::kLargestRecord> again;
  switch (opened.record) {
    case RecordLayer::Record::forged:
      return feed_openssl(RecordLayer::rubbish());
    case RecordLayer::Record::control:
      return feed_openssl(layer_.for_openssl(opened.content, again.data()));
    case RecordLayer::Record::data:
      break;
  }
  if (!opened.content.empty())
    record_size_ = std::max(static_cast<std::uint16_t>(record.size()), kSmallestUnit);
  if (fits) {
    total += opened.content.size();
    return IoStatus::ok;
  }
  const std::size_t first = std::min(room.size(), opened.content.size());
  std::copy_n(opened.content.begin(), first, room.begin());
  total += first;
  if (first < opened.content.size()) plain_.append(opened.content.subspan(first));
  return IoStatus::ok;
}

// Lets OpenSSL deal with what is not application data.
IoStatus Stream::feed_openssl(std::span<const char> bytes) {
  feeding_ = true;
  feed_ = bytes;
  char byte = 0;
  std::size_t got = 0;
  const bool data = SSL_read_ex(ssl_.get(), &byte, 1, &got) == 1;
  const IoStatus status = data ? IoStatus::ok : fail_read(SSL_get_error(ssl_.get(), 0));
  feeding_ = false;
  const bool all = feed_.empty();
  feed_ = {};
  if (!layer_.reads()) {
    SSL_set_read_ahead(ssl_.get(), 1);
    drained_ = false;  // what is behind the key update waits in `received_`
  }
  if (status == IoStatus::would_block && all) return IoStatus::ok;
  if (status == IoStatus::closed || status == IoStatus::failed) return status;
  error_ = Error{.kind = ErrorKind::tls, .detail = "a TLS record is not what it says it is"};
  return IoStatus::failed;
}

// Reading may have made OpenSSL answer: a key update, an alert. What stayed in the worker's buffer
// would go out on another stream.
void Stream::send_answers() {
  if (layer_.writes() && !layer_.reads() &&
      SSL_get_key_update_type(ssl_.get()) != SSL_KEY_UPDATE_NONE) {
    // The peer asked for it; OpenSSL would do so with its next write, and has none to make.
    SSL_key_update(ssl_.get(), SSL_KEY_UPDATE_NOT_REQUESTED);
    SSL_do_handshake(ssl_.get());
    ERR_clear_error();
  }
  if (shared_.gathered_size != 0) (void)send_gathered();
}

IoStatus Stream::fail_read(int ssl_error) {
  switch (ssl_error) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE: {
      drained_ = true;
      const std::string_view offence = misconduct(ssl_.get());
      if (offence.empty()) return IoStatus::would_block;
      error_ = Error{.kind = ErrorKind::malformed, .detail = std::string(offence)};
      return IoStatus::failed;
    }
    case SSL_ERROR_ZERO_RETURN:
      return IoStatus::closed;
    default:
      break;
  }
  if (eof_) {
    ERR_clear_error();
    error_ =
        Error{.kind = ErrorKind::truncated, .detail = "the connection ended without close_notify"};
  } else if (!socket_.error().detail.empty()) {
    ERR_clear_error();
    error_ = socket_.error();
  } else {
    fail_from_queue();
  }
  return IoStatus::failed;
}

void Stream::fail_from_queue() {
  // The earliest entry is the cause; what follows it are the callers' comments.
  const unsigned long code = ERR_peek_error();
  const char* const reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  error_ = Error{.kind = ErrorKind::tls,
                 .detail = reason != nullptr ? reason : "the TLS connection failed"};
  ERR_clear_error();
}

Stream::End Stream::peek_tls() {
  IoStatus status = IoStatus::ok;
  if (layer_.reads() && plain_.empty()) status = read_records({}).status;
  if (!layer_.reads() && plain_.empty()) {
    char byte = 0;
    std::size_t seen = 0;
    const bool data = SSL_peek_ex(ssl_.get(), &byte, 1, &seen) == 1;
    status = data ? IoStatus::ok : fail_read(SSL_get_error(ssl_.get(), 0));
    if (data) drained_ = false;
    if (status == IoStatus::closed || status == IoStatus::failed) ended_ = status;
  }
  send_answers();
  if (status == IoStatus::ok || status == IoStatus::would_block) return End::none;
  return ended_ == IoStatus::closed ? End::half_closed : End::broken;
}

// ---- writing

bool Stream::encrypt(std::span<const char> first, std::span<const char> second) {
  if (layer_.writes()) return seal(first, second);
  for (std::span<const char> data : {first, second}) {
    while (!data.empty()) {
      std::size_t wrote = 0;
      if (SSL_write_ex(ssl_.get(), data.data(), data.size(), &wrote) != 1) {
        (void)SSL_get_error(ssl_.get(), 0);
        fail_from_queue();
        shared_.gathered_size = 0;
        return false;
      }
      data = data.subspan(wrote);
    }
  }
  return true;
}

bool Stream::seal(std::span<const char> first, std::span<const char> second) {
  while (!first.empty() || !second.empty()) {
    const auto head = first.first(std::min(first.size(), Protection::kLargestContent));
    const auto tail =
        second.first(std::min(second.size(), Protection::kLargestContent - head.size()));
    const std::size_t needed = head.size() + tail.size() + Protection::kOverhead;
    if (needed > TlsResources::kGathered - shared_.gathered_size && !send_gathered()) return false;
    const std::size_t size =
        layer_.seal(head, tail, shared_.gathered.data() + shared_.gathered_size);
    if (size == 0) {
      fail_from_queue();
      shared_.gathered_size = 0;
      return false;
    }
    shared_.gathered_size += size;
    first = first.subspan(head.size());
    second = second.subspan(tail.size());
  }
  return true;
}

// ---- handshake

IoStatus Stream::try_handshake() {
  if (socket_.cancelled()) {
    error_ = socket_.error();
    return IoStatus::failed;
  }
  const int result = SSL_do_handshake(ssl_.get());
  if (result != 1 && SSL_get_error(ssl_.get(), result) != SSL_ERROR_WANT_READ) {
    fail_handshake();
    (void)send_gathered();  // the alert that says why
    return IoStatus::failed;
  }
  const bool sent = send_gathered() && flush() != IoStatus::failed;
  if (result == 1) {
    take_over();
    // A client may have sent its request behind its Finished and gone: what it sent can be read
    // although it no longer takes our tickets. That it has gone is seen behind the request.
    return sent || SSL_is_server(ssl_.get()) == 1 ? IoStatus::ok : IoStatus::failed;
  }
  return sent ? IoStatus::would_block : IoStatus::failed;
}

void Stream::fail_handshake() {
  if (!eof_ && !socket_.error().detail.empty()) {
    ERR_clear_error();
    error_ = socket_.error();
  } else {
    error_ = SSL_is_server(ssl_.get()) == 1 ? client_handshake_failure(ssl_.get())
                                            : upstream_handshake_failure(ssl_.get());
  }
}

// From the end of the handshake on the records may be ours.
void Stream::take_over() {
  handshaken_ = true;
  layer_.engage(ssl_.get(), shared_.keys);
  if (!layer_.reads()) SSL_set_read_ahead(ssl_.get(), 1);
  record_waits_ = !front_record(received_.pending()).empty();
}

}  // namespace ocsproxy
