// The transport of one connection: a TCP socket, plain or under TLS, with reads and writes that are
// tried first and awaited only when they would block.
//
// From the end of a TLS 1.3 handshake on records are sealed and opened by a record layer of our own
// (tls/record_layer.h) between the worker's buffers and the caller's: no byte is copied. What is
// not data (alerts, key updates) is dealt with here; a client's SSL object still makes sessions of
// the tickets that come. Handshakes and all of older versions are OpenSSL's, over a BIO of our own:
// libssl copies a byte twice on the way in and once on the way out, where the BIO copies it once
// more.
//
// Records are gathered in the worker's buffer, and one send takes them away. What the socket does
// not take stays in a spill of this stream, and the write has ended only when the spill is empty:
// that is the back-pressure. What came from the socket and cannot be opened yet (half a record, or
// one for which the caller has no room) is kept by the stream too, and is the only thing that
// moves.
//
// At most one read and one write may be under way. Worker's thread only.
#pragma once

#include <coroutine>
#include <cstddef>
#include <span>
#include <string>

#include "base/error.h"
#include "net/socket.h"
#include "tls/handshake_messages.h"
#include "tls/openssl.h"
#include "tls/record_layer.h"
#include "tls/tls_resources.h"

namespace ocsproxy {

class Stream {
 public:
  // Plain until start_tls. `shared` outlives the stream.
  Stream(Reactor& reactor, Descriptor fd, bool connecting, TlsResources& shared);
  ~Stream();
  Stream(const Stream&) = delete;  // awaiters and the BIO point at it
  Stream& operator=(const Stream&) = delete;

  // From now on everything goes through `ssl`, which is in accept or connect state. Handshake next.
  void start_tls(SslPtr ssl);
  bool secure() const { return secure_; }
  // Null without TLS and after forget_handshake.
  SSL* ssl() const { return ssl_.get(); }
  // For servers: what is to be known of the handshake has been asked. Of a connection of TLS 1.3
  // that frees the SSL object, which is nearly all its memory.
  void forget_handshake();
  Socket& socket() { return socket_; }
  const Socket& socket() const { return socket_; }

  // Up to into.size() bytes without waiting. Over TLS as many records as are there and fit.
  IoResult try_read(std::span<char> into);
  // Could try_read find something, as far as is known without a system call?
  bool maybe_readable() const;
  // Looks, without consuming data, at how the peer stands after the socket has hung up.
  enum class End : std::uint8_t {
    none,         // data comes first
    half_closed,  // an orderly end of its sending side (FIN; over TLS with close_notify)
    broken,       // reset, or over TLS a FIN alone; see error()
  };
  End peek_end();
  // After IoStatus::failed: what happened; side and phase are the caller's to add.
  const Error& error() const { return error_; }
  // More is read at once from now on: bodies are coming.
  void expect_bulk();
  // Nothing is expected for a while: gives back memory that the next byte needs again.
  void shed() { layer_.shed(); }

  // Announces our end (close_notify, FIN) as far as the socket takes it now.
  void finish_writing();
  // The peer shall see a cut, not an end.
  void abort() { socket_.reset_on_close(); }

  // co_await stream.read(into) -> IoResult, never would_block.
  class Read final : public Waiter {
   public:
    Read(Stream& stream, std::span<char> into) : stream_(stream), into_(into) {}
    bool await_ready() {
      result_ = stream_.try_read(into_);
      return result_.status != IoStatus::would_block;
    }
    void await_suspend(std::coroutine_handle<> awaiting) {
      awaiting_ = awaiting;
      stream_.socket_.wait_readable(this);
    }
    IoResult await_resume() const { return result_; }
    void on_ready() override;

   private:
    Stream& stream_;
    std::span<char> into_;
    IoResult result_;
    std::coroutine_handle<> awaiting_;
  };
  Read read(std::span<char> into) { return {*this, into}; }

  // co_await stream.readable() -> bool: something can be read, or the stream has failed (then, and
  // when interrupted, false). Holds no buffer while it waits.
  class Readable final : public Waiter {
   public:
    explicit Readable(Stream& stream) : stream_(stream) {}
    bool await_ready() const { return stream_.socket_.cancelled() || stream_.maybe_readable(); }
    void await_suspend(std::coroutine_handle<> awaiting) {
      awaiting_ = awaiting;
      stream_.socket_.wait_readable(this);
    }
    bool await_resume() const { return !interrupted_ && !stream_.socket_.cancelled(); }
    void on_ready() override;

   private:
    Stream& stream_;
    bool interrupted_ = false;
    std::coroutine_handle<> awaiting_;
  };
  Readable readable() { return Readable(*this); }

  // co_await stream.write(first, second) -> IoStatus ok or failed, when all of both is with the
  // kernel. Both spans must live until then. Over TLS `first` and `second` become records of their
  // own that leave by one send.
  class Write final : public Waiter {
   public:
    Write(Stream& stream, std::span<const char> first, std::span<const char> second)
        : stream_(stream), first_(first), second_(second) {}
    bool await_ready() {
      status_ = stream_.start_write(first_, second_);
      return status_ != IoStatus::would_block;
    }
    void await_suspend(std::coroutine_handle<> awaiting) {
      awaiting_ = awaiting;
      stream_.socket_.wait_writable(this);
    }
    IoStatus await_resume() const { return status_; }
    void on_ready() override;

   private:
    Stream& stream_;
    // What is left of a plain write; over TLS all of it is encrypted at once.
    std::span<const char> first_;
    std::span<const char> second_;
    IoStatus status_ = IoStatus::ok;
    std::coroutine_handle<> awaiting_;
  };
  Write write(std::span<const char> first, std::span<const char> second = {}) {
    return {*this, first, second};
  }

  // co_await stream.handshake() -> IoStatus ok or failed. error() then is a sentence for the
  // administrator (tls/verify_failure.h).
  class Handshake final : public Waiter {
   public:
    explicit Handshake(Stream& stream) : stream_(stream) {}
    bool await_ready() {
      status_ = stream_.try_handshake();
      return status_ != IoStatus::would_block;
    }
    void await_suspend(std::coroutine_handle<> awaiting);
    IoStatus await_resume() const { return status_; }
    void on_ready() override;

   private:
    void wait();
    Stream& stream_;
    IoStatus status_ = IoStatus::ok;
    std::coroutine_handle<> awaiting_;
  };
  Handshake handshake() { return Handshake(*this); }

 private:
  friend struct StreamBio;

  // Bytes that wait, in order; holds memory only while there are any.
  class Spill {
   public:
    ~Spill();
    bool empty() const { return sent_ == size_; }
    std::size_t size() const { return size_ - sent_; }
    std::span<const char> pending() const { return {data_ + sent_, size_ - sent_}; }
    void append(std::span<const char> bytes);
    void consume(std::size_t bytes);

   private:
    char* data_ = nullptr;
    std::size_t size_ = 0;
    std::size_t sent_ = 0;
    std::size_t capacity_ = 0;
  };

  IoStatus start_write(std::span<const char>& first, std::span<const char>& second);
  IoStatus continue_plain_write(std::span<const char>& first, std::span<const char>& second);
  IoStatus flush();
  bool encrypt(std::span<const char> first, std::span<const char> second);
  bool seal(std::span<const char> first, std::span<const char> second);
  bool seal_record(char type, std::span<const char> first, std::span<const char> second);
  bool update_keys();
  void say_goodbye();
  IoStatus try_handshake();
  void take_over();
  IoResult read_tls(std::span<char> into);
  IoResult read_openssl(std::span<char> into);
  IoResult read_records(std::span<char> into);
  IoResult receive_records(std::size_t room, std::size_t held);
  IoStatus take_record(std::span<const char> record, std::span<char> into, std::size_t& total);
  IoStatus take_alert(std::span<const char> content);
  IoStatus take_handshake(std::span<const char> content);
  IoStatus take_message(std::span<const char> message);
  IoStatus take_key_update(std::span<const char> message);
  IoStatus feed_openssl(std::span<const char> message);
  IoStatus refuse(int alert, const char* offence);
  IoStatus out_of_memory();
  void send_answers();
  End peek_tls();
  IoStatus fail_read(int ssl_error);
  void fail_from_queue();
  void fail_handshake();
  // The BIO's two ends.
  int bio_read(std::span<char> into, bool& retry);
  void bio_write(std::span<const char> data);
  bool send_gathered();

  // Smaller records are read by the dozen anyway.
  static constexpr std::uint16_t kSmallestUnit = 1024;

  Socket socket_;
  TlsResources& shared_;
  RecordLayer layer_;
  SslPtr ssl_;
  Spill spill_;     // records that the socket has not taken
  Spill received_;  // what came and has not been opened, or not been given to OpenSSL
  Spill plain_;     // what was opened and has not been asked for
  HandshakeMessages messages_;
  std::span<const char> feed_;  // all that OpenSSL gets to read once the records are ours
  Error error_;
  // Of the last record that carried data.
  std::uint16_t record_size_ = RecordProtection::kLargestContent + RecordProtection::kOverhead;
  IoStatus ended_ = IoStatus::ok;  // how reading ended, once it has
  bool eof_ = false;               // the socket's FIN was read
  bool handshaken_ = false;
  bool secure_ = false;
  bool broken_ = false;        // a fatal alert was sent or received
  bool said_goodbye_ = false;  // close_notify was sent
  std::uint8_t key_updates_ = 0;
  bool record_waits_ = false;  // `received_` has a whole one
  bool drained_ = false;       // OpenSSL has no whole record left
  bool bulk_ = false;
};

}  // namespace ocsproxy
