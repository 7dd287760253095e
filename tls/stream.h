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
// Where the kernel can do TLS (tls/kernel_tls.h) it is offered the records when a body is to come:
// both directions of TLS 1.2, sending of TLS 1.3, since a TLS 1.3 peer may change its keys at any
// time, which kernels cannot follow. From then on the socket takes and gives plain bytes, so that a
// body may be spliced; only what is not data is dealt with here.
//
// At most one read and one write may be under way. Worker's thread only.
#pragma once

#include <coroutine>
#include <cstddef>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

#include "base/error.h"
#include "net/socket.h"
#include "tls/handshake_messages.h"
#include "tls/kernel_backlog.h"
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
  bool secure() const { return ssl_ != nullptr || layer_.engaged() || kernel_sends_; }
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
  // A body is to come from here: more is read at once from now on, and the kernel is offered the
  // records, unless something is half done just now.
  void expect_bulk();
  // A body is to go there, of at least so many bytes: the kernel is offered the records likewise.
  void expect_to_send(std::uint64_t bytes);
  KernelPart kernel_part() const {
    if (kernel_receives_) return KernelPart::both;
    return kernel_sends_ ? KernelPart::sending : KernelPart::none;
  }
  // The key that the kernel seals with, and cannot change, has done half of what it may: no further
  // message should begin.
  bool worn() const { return kernel_sends_ && layer_.engaged() && key_used() > key_limit() / 2; }
  // Nothing is expected for a while: gives back memory that the next byte needs again.
  void shed() { layer_.shed(); }

  // Announces our end (close_notify, FIN) as far as the socket takes it now. Where the kernel
  // seals, `finished` is to be awaited before the stream is destroyed: else the end of what was
  // written may be lost.
  void finish_writing();
  // The peer shall see a cut, not an end.
  void abort() { socket_.reset_on_close(); }

  // co_await stream.read(into) -> IoResult, never would_block.
  auto read(std::span<char> into) {
    return when_readable([this, into] { return try_read(into); });
  }

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
  // kernel. Both spans must live until then. Over TLS they leave by one send, and from TLS 1.3
  // on in one record where they fit.
  auto write(std::span<const char> first, std::span<const char> second = {}) {
    return when_writable([this, first, second, begun = false]() mutable {
      return std::exchange(begun, true) ? continue_write(first, second)
                                        : start_write(first, second);
    });
  }

  // The worker's.
  PipePool& pipes() { return shared_.pipes; }
  // Does the socket itself give, or take, the bytes that are read and written here? Then they may
  // be spliced.
  bool gives_plain() const { return (!secure() || kernel_receives_) && plain_.empty(); }
  bool takes_plain() const { return !secure() || kernel_sends_; }

  // co_await stream.splice_to(pipe, most) -> IoResult, never would_block: at most `most` bytes have
  // gone to the empty pipe. IoStatus::closed: nothing has; reading says what is there instead.
  auto splice_to(int pipe, std::size_t most) {
    return when_readable([this, pipe, most] { return try_splice_to(pipe, most); });
  }
  // co_await stream.splice_from(pipe, bytes) -> IoResult ok or failed: some of the bytes, which the
  // pipe holds, are with the kernel.
  auto splice_from(int pipe, std::size_t bytes) {
    return when_writable([this, pipe, bytes] { return try_splice_from(pipe, bytes); });
  }

  // co_await stream.finished(), behind finish_writing: all that was written is TCP's, which sends
  // it whatever becomes of the stream, or the stream has failed.
  class Finished final : public Waiter {
   public:
    explicit Finished(Stream& stream)
        : stream_(stream), again_(stream.socket_.reactor().timers(), &Finished::on_tick, this) {}
    bool await_ready() { return stream_.try_finish(); }
    void await_suspend(std::coroutine_handle<> awaiting);
    void await_resume() const {}
    void on_ready() override;

   private:
    static void on_tick(void* self) { static_cast<Finished*>(self)->on_ready(); }
    Stream& stream_;
    Timer again_;  // the kernel does not tell when it has given all to TCP
    std::coroutine_handle<> awaiting_;
  };
  Finished finished() { return Finished(*this); }

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
    IoStatus await_resume() const {
      if (starved_) throw std::bad_alloc();
      return status_;
    }
    void on_ready() override;

   private:
    void wait();
    Stream& stream_;
    IoStatus status_ = IoStatus::ok;
    bool starved_ = false;
    std::coroutine_handle<> awaiting_;
  };
  Handshake handshake() { return Handshake(*this); }

 private:
  friend struct StreamBio;

  enum class Way : std::uint8_t { in, out };
  // An awaiter: `attempt` is made at once, and again whenever the socket may be ready, until it
  // does not block.
  template <Way way, typename Attempt>
  class Operation final : public Waiter {
   public:
    using Result = std::invoke_result_t<Attempt&>;  // IoResult or IoStatus
    Operation(Stream& stream, Attempt attempt) : stream_(stream), attempt_(std::move(attempt)) {}
    bool await_ready() {
      result_ = attempt_();
      return !blocks(result_);
    }
    void await_suspend(std::coroutine_handle<> awaiting) {
      awaiting_ = awaiting;
      wait(this);
    }
    Result await_resume() const {
      if (starved_) throw std::bad_alloc();
      return result_;
    }
    void on_ready() override {
      // Only readers are interrupted.
      if (way == Way::in && stream_.take_interrupt()) {
        result_ = failed(result_);
      } else if (still_blocks()) {
        return;
      }
      wait(nullptr);
      awaiting_.resume();
    }

   private:
    // What is thrown here belongs to the coroutine, not to the loop that calls.
    bool still_blocks() {
      try {
        return blocks(result_ = attempt_());
      } catch (const std::bad_alloc&) {
        starved_ = true;
        return false;
      }
    }
    static bool blocks(IoResult result) { return result.status == IoStatus::would_block; }
    static bool blocks(IoStatus status) { return status == IoStatus::would_block; }
    static IoResult failed(IoResult) { return {0, IoStatus::failed}; }
    static IoStatus failed(IoStatus) { return IoStatus::failed; }
    void wait(Waiter* waiter) {
      if constexpr (way == Way::in) {
        stream_.socket_.wait_readable(waiter);
      } else {
        stream_.socket_.wait_writable(waiter);
      }
    }

    Stream& stream_;
    Attempt attempt_;
    Result result_{};
    bool starved_ = false;
    std::coroutine_handle<> awaiting_;
  };
  template <typename Attempt>
  Operation<Way::in, Attempt> when_readable(Attempt attempt) {
    return {*this, std::move(attempt)};
  }
  template <typename Attempt>
  Operation<Way::out, Attempt> when_writable(Attempt attempt) {
    return {*this, std::move(attempt)};
  }

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
  IoStatus continue_write(std::span<const char>& first, std::span<const char>& second);
  IoStatus continue_plain_write(std::span<const char>& first, std::span<const char>& second);
  bool take_interrupt();
  IoStatus flush();
  bool encrypt(std::span<const char> first, std::span<const char> second);
  bool seal(std::span<const char> first, std::span<const char> second);
  bool seal_record(char type, std::span<const char> first, std::span<const char> second);
  bool update_keys();
  void say_goodbye();
  bool try_finish();
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
  bool at_rest() const;
  void hand_over_tls1_2();
  void hand_over_sending();
  IoResult read_kernel(std::span<char> into);
  IoResult next_kernel_record(std::span<char> room);
  IoStatus take_empty_record();
  IoStatus take_kernel_record(unsigned char type, std::span<const char> content);
  IoStatus fail_socket_read();
  IoResult next_to_splice(int pipe, std::size_t most);
  IoStatus look_behind_splice(IoStatus refusal);
  std::uint64_t key_limit() const;
  std::uint64_t key_used() const;
  bool count_sealed(std::size_t bytes);
  IoStatus send_kernel_alert(std::span<const char> content);
  IoStatus flush_kernel_alerts();
  IoResult try_splice_to(int pipe, std::size_t most);
  IoResult try_splice_from(int pipe, std::size_t bytes);
  IoResult take_plain(std::span<char> into);
  End peek_tls();
  IoStatus fail_read(int ssl_error);
  void fail_from_queue();
  void fail_handshake();
  // The BIO's two ends.
  int bio_read(std::span<char> into, bool& retry);
  void bio_write(std::span<const char> data);
  bool send_gathered();

  Socket socket_;
  TlsResources& shared_;
  RecordLayer layer_;
  SslPtr ssl_;
  Spill spill_;     // what the socket has not taken: records, or alerts for the kernel to seal
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
  bool broken_ = false;        // a fatal alert was sent or received
  bool said_goodbye_ = false;  // close_notify was sent
  std::uint8_t key_updates_ = 0;
  std::uint8_t warnings_ = 0;       // alerts that end nothing, since there was data
  std::uint8_t empty_records_ = 0;  // of the kernel's, likewise
  bool record_waits_ = false;       // `received_` has a whole one
  bool drained_ = false;            // OpenSSL has no whole record left
  bool bulk_ = false;
  bool kernel_receives_ = false;
  bool kernel_sends_ = false;
  bool kernel_asked_ = false;  // it took over, or refused to
  bool server_ = false;        // once the kernel has both directions
  KernelBacklog backlog_;
};

}  // namespace ocsproxy
