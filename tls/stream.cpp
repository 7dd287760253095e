#include "tls/stream.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/free_list.h"
#include "tls/post_handshake.h"
#include "tls/verify_failure.h"

namespace ocsproxy {
namespace {

// A peer that makes us answer (key updates, alerts) without reading the answers is cut off here.
constexpr std::size_t kLargestSpill = std::size_t{256} * 1024;
// Bodies: four records at once. One record else (OpenSSL's own default), since a peer decides how
// long a half-received record keeps the buffer.
constexpr std::size_t kBulkReadSize = 4 * (16 * 1024 + 256) + 64;

}  // namespace

// The BIO_METHOD: calls of OpenSSL turned into calls of the stream behind it.
struct StreamBio {
  static Stream* stream(BIO* bio) { return static_cast<Stream*>(BIO_get_data(bio)); }

  static int read(BIO* bio, char* into, int size) {
    BIO_clear_retry_flags(bio);
    bool retry = false;
    const int got = stream(bio)->bio_read(into, size, retry);
    if (retry) BIO_set_retry_read(bio);
    return got;
  }
  static int write(BIO* bio, const char* data, int size) {
    BIO_clear_retry_flags(bio);
    stream(bio)->bio_write(data, size);
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

Stream::Spill::~Spill() { free_list::release(data_); }

void Stream::Spill::append(std::span<const char> bytes) {
  if (sent_ == size_) sent_ = size_ = 0;
  if (size_ + bytes.size() > capacity_) {
    const std::size_t wanted = std::max(size_ + bytes.size(), 2 * capacity_);
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

Stream::Stream(Reactor& reactor, Descriptor fd, bool connecting, RecordBuffer& records)
    : socket_(reactor, std::move(fd), connecting), records_(records) {}

Stream::~Stream() = default;

void Stream::start_tls(SslPtr ssl) {
  ssl_ = std::move(ssl);
  BIO* const bio = BIO_new(StreamBio::method());
  if (bio == nullptr) throw std::bad_alloc();
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);
  SSL_set_read_ahead(ssl_.get(), 1);
}

void Stream::expect_bulk() {
  if (ssl_ == nullptr || std::exchange(bulk_, true)) return;
  SSL_set_default_read_buffer_len(ssl_.get(), kBulkReadSize);
}

bool Stream::maybe_readable() const {
  // A half-received record is pending too, and only the socket can complete it.
  return socket_.maybe_readable() ||
         (ssl_ != nullptr && !drained_ && SSL_has_pending(ssl_.get()) == 1);
}

// ---- the BIO's ends

int Stream::bio_read(char* into, int size, bool& retry) {
  const IoResult result = socket_.receive({into, static_cast<std::size_t>(size)});
  switch (result.status) {
    case IoStatus::ok:
      return static_cast<int>(result.bytes);
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

void Stream::bio_write(const char* data, int size) {
  std::span<const char> rest(data, static_cast<std::size_t>(size));
  // A failure shows again when the rest is sent.
  if (rest.size() > RecordBuffer::kSize - records_.used) (void)send_gathered();
  if (rest.size() > RecordBuffer::kSize) {
    spill_.append(rest);
    return;
  }
  std::memcpy(records_.bytes.data() + records_.used, rest.data(), rest.size());
  records_.used += rest.size();
}

bool Stream::send_gathered() {
  std::span<const char> rest(records_.bytes.data(), records_.used);
  records_.used = 0;
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

IoResult Stream::try_read(std::span<char> into) {
  if (ended_ != IoStatus::ok) return {0, ended_};
  if (ssl_ != nullptr) return read_records(into);
  const IoResult result = socket_.receive(into);
  if (result.status == IoStatus::failed) error_ = socket_.error();
  if (result.status == IoStatus::closed) ended_ = IoStatus::closed;
  return result;
}

IoResult Stream::read_records(std::span<char> into) {
  if (socket_.cancelled()) {
    error_ = socket_.error();
    return {0, IoStatus::failed};
  }
  std::size_t total = 0;
  IoResult outcome{0, IoStatus::would_block};
  while (total < into.size() && maybe_readable()) {
    std::size_t got = 0;
    if (SSL_read_ex(ssl_.get(), into.data() + total, into.size() - total, &got) == 1) {
      total += got;
      drained_ = false;
      continue;
    }
    outcome = fail_read(SSL_get_error(ssl_.get(), 0));
    break;
  }
  // Reading may have made OpenSSL answer: a key update, an alert.
  if (records_.used != 0) (void)send_gathered();
  if (outcome.status == IoStatus::closed || outcome.status == IoStatus::failed)
    ended_ = outcome.status;
  return total != 0 ? IoResult{total, IoStatus::ok} : outcome;
}

IoResult Stream::fail_read(int ssl_error) {
  switch (ssl_error) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE: {
      drained_ = true;
      const std::string_view offence = misconduct(ssl_.get());
      if (offence.empty()) return {0, IoStatus::would_block};
      error_ = Error{.kind = ErrorKind::malformed, .detail = std::string(offence)};
      return {0, IoStatus::failed};
    }
    case SSL_ERROR_ZERO_RETURN:
      return {0, IoStatus::closed};
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
  return {0, IoStatus::failed};
}

void Stream::fail_from_queue() {
  // The earliest entry is the cause; what follows it are the callers' comments.
  const unsigned long code = ERR_peek_error();
  const char* const reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  error_ = Error{.kind = ErrorKind::tls,
                 .detail = reason != nullptr ? reason : "the TLS connection failed"};
  ERR_clear_error();
}

void Stream::Read::on_ready() {
  if (stream_.socket_.take_interrupt()) {
    stream_.error_ = Error{.kind = ErrorKind::cancelled};
    result_ = {0, IoStatus::failed};
  } else {
    result_ = stream_.try_read(into_);
    if (result_.status == IoStatus::would_block) return;
  }
  stream_.socket_.wait_readable(nullptr);
  awaiting_.resume();
}

void Stream::Readable::on_ready() {
  interrupted_ = stream_.socket_.take_interrupt();
  if (!interrupted_ && !stream_.socket_.cancelled() && !stream_.maybe_readable()) return;
  stream_.socket_.wait_readable(nullptr);
  awaiting_.resume();
}

Stream::End Stream::peek_end() {
  if (ended_ != IoStatus::ok) return ended_ == IoStatus::closed ? End::half_closed : End::broken;
  char byte = 0;
  if (ssl_ == nullptr) {
    const ssize_t seen = ::recv(socket_.fd(), &byte, 1, MSG_PEEK);
    if (seen > 0 || (seen < 0 && errno == EAGAIN)) return End::none;
    if (seen == 0) return End::half_closed;
    error_ = Error{.kind = ErrorKind::reset, .detail = errno_text(errno)};
    return End::broken;
  }
  std::size_t seen = 0;
  const bool data = SSL_peek_ex(ssl_.get(), &byte, 1, &seen) == 1;
  const IoResult result = data ? IoResult{} : fail_read(SSL_get_error(ssl_.get(), 0));
  // Looking may have made OpenSSL answer, such as with an alert because close_notify is missing.
  // What stayed in the worker's buffer would go out on another stream.
  if (records_.used != 0) (void)send_gathered();
  if (data) {
    drained_ = false;
    return End::none;
  }
  if (result.status == IoStatus::would_block) return End::none;
  ended_ = result.status;
  return ended_ == IoStatus::closed ? End::half_closed : End::broken;
}

// ---- writing

bool Stream::encrypt(std::span<const char> data) {
  while (!data.empty()) {
    std::size_t wrote = 0;
    if (SSL_write_ex(ssl_.get(), data.data(), data.size(), &wrote) != 1) {
      (void)SSL_get_error(ssl_.get(), 0);
      fail_from_queue();
      records_.used = 0;
      return false;
    }
    data = data.subspan(wrote);
  }
  return true;
}

IoStatus Stream::start_write(std::span<const char>& first, std::span<const char>& second) {
  if (socket_.cancelled()) {
    error_ = socket_.error();
    return IoStatus::failed;
  }
  if (ssl_ == nullptr) return continue_plain_write(first, second);
  if (!encrypt(first) || !encrypt(second)) return IoStatus::failed;
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
  }
  return IoStatus::ok;
}

void Stream::Write::on_ready() {
  status_ = stream_.secure() ? stream_.flush() : stream_.continue_plain_write(first_, second_);
  if (status_ == IoStatus::would_block) return;
  stream_.socket_.wait_writable(nullptr);
  awaiting_.resume();
}

void Stream::finish_writing() {
  if (socket_.cancelled()) return;
  if (ssl_ != nullptr && SSL_is_init_finished(ssl_.get()) == 1) {
    (void)SSL_shutdown(ssl_.get());
    ERR_clear_error();
    // A close_notify that the socket does not take now is not waited for: the peer has not read
    // what came before it either.
    if (send_gathered()) (void)flush();
  }
  socket_.shutdown_write();
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

void Stream::Handshake::wait() {
  stream_.socket_.wait_readable(this);
  stream_.socket_.wait_writable(stream_.spill_.empty() ? nullptr : this);
}

void Stream::Handshake::await_suspend(std::coroutine_handle<> awaiting) {
  awaiting_ = awaiting;
  wait();
}

void Stream::Handshake::on_ready() {
  status_ = stream_.try_handshake();
  if (status_ == IoStatus::would_block) {
    wait();
    return;
  }
  stream_.socket_.wait_readable(nullptr);
  stream_.socket_.wait_writable(nullptr);
  awaiting_.resume();
}

}  // namespace ocsproxy
