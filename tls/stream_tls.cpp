// The TLS half of a stream: the handshake, and what OpenSSL reads and writes.

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
// What is read at once while the handshake runs.
constexpr std::size_t kHandshakeReadSize = std::size_t{16} * 1024;

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

bool Stream::maybe_readable() const {
  // How it ended is found by reading.
  if (ended_ != IoStatus::ok || socket_.maybe_readable()) return true;
  if (!secure()) return false;
  if (layer_.engaged() || kernel_receives_) return !plain_.empty() || record_waits_;
  // A half-received record is pending too, and only the socket can complete it.
  return !drained_ && (!received_.empty() || SSL_has_pending(ssl_.get()) == 1);
}

void Stream::forget_handshake() {
  if (!layer_.engaged() && !kernel_receives_) return;
  // Else OpenSSL would think that the connection had failed, and the session with it.
  SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  ssl_.reset();
}

// ---- the BIO's ends

int Stream::bio_read(std::span<char> into, bool& retry) {
  if (layer_.engaged()) {
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
  if (layer_.engaged() || kernel_sends_)
    return;  // it is not OpenSSL any more that speaks to the peer
  // A failure shows again when the rest is sent.
  if (data.size() > TlsResources::kGathered - shared_.gathered_size) (void)send_gathered();
  if (data.size() > TlsResources::kGathered) {
    spill_.append(data);
    return;
  }
  std::copy(data.begin(), data.end(),
            shared_.gathered.begin() + static_cast<std::ptrdiff_t>(shared_.gathered_size));
  shared_.gathered_size += data.size();
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
  const IoResult result = kernel_receives_   ? read_kernel(into)
                          : layer_.engaged() ? read_records(into)
                                             : read_openssl(into);
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

// Reading may have made us or OpenSSL answer: a key update, an alert. What stayed in the worker's
// buffer would go out on another stream.
void Stream::send_answers() {
  if (shared_.gathered_size == 0) return;
  if (ended_ == IoStatus::ok) {
    (void)send_gathered();
    return;
  }
  Error cause = std::move(error_);
  (void)send_gathered();
  error_ = std::move(cause);
}

// ---- reading by OpenSSL

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
  if (layer_.engaged() || kernel_receives_) {
    if (plain_.empty())
      status = kernel_receives_ ? read_kernel({}).status : read_records({}).status;
  } else {
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
  if (layer_.engaged()) return seal(first, second);
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

void Stream::say_goodbye() {
  if (std::exchange(said_goodbye_, true)) return;
  if (layer_.engaged() || kernel_sends_) {
    constexpr char kCloseNotify[] = {SSL3_AL_WARNING, SSL_AD_CLOSE_NOTIFY};
    if (!broken_) (void)seal_record(SSL3_RT_ALERT, kCloseNotify, {});
    if (ssl_ != nullptr) SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN);
  } else if (SSL_is_init_finished(ssl_.get()) == 1) {
    (void)SSL_shutdown(ssl_.get());
    ERR_clear_error();
  }
  // A close_notify that the socket does not take now is not waited for: the peer has not read what
  // came before it either.
  if (!kernel_sends_ && send_gathered()) (void)flush();
}

// ---- handshake

IoStatus Stream::try_handshake() {
  if (socket_.cancelled()) {
    error_ = socket_.error();
    return IoStatus::failed;
  }
  const KeySchedule::Following following(shared_.keys.schedule(), layer_.wanted());
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

}  // namespace ocsproxy
