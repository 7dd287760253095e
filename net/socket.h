// A connected TCP socket of the data path: tried first, awaited only when it would block.
#pragma once

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "base/error.h"
#include "net/reactor.h"

namespace ocsproxy {

struct SocketAddress;

enum class IoStatus : std::uint8_t {
  ok,           // `bytes` moved, at least one unless nothing was asked
  would_block,  // nothing moved; wait for on_ready
  closed,       // the peer ended in an orderly way (FIN, or close_notify over TLS)
  failed,       // see the stream's or socket's error()
};

struct IoResult {
  std::size_t bytes = 0;
  IoStatus status = IoStatus::ok;
};

// What waits for a socket: an awaiter in a coroutine's frame.
class Waiter {
 public:
  // The socket may be ready, or has been cancelled. The waiter tries again; when that would block
  // it stays registered, else it takes itself off and resumes its coroutine.
  virtual void on_ready() = 0;

 protected:
  ~Waiter() = default;
};

// One reader and one writer may wait at a time. Worker's thread only.
class Socket final : public Pollable {
 public:
  // `connecting`: from start_connect, so that nothing is tried before the kernel reports an edge.
  Socket(Reactor& reactor, Descriptor fd, bool connecting);
  ~Socket() override = default;

  // A short read on an edge-triggered stream socket means that it is drained: the next try is then
  // refused without a system call until the kernel reports an edge.
  IoResult receive(std::span<char> into);
  // From a socket whose records the kernel opens: contents of one kind, which `type` then says (as
  // in the records); without any bytes, and yet IoStatus::ok, when a record had none. Only a
  // refusal of the kernel's means that it is drained. Failure is of kind `malformed` when the
  // kernel finds no record, and `tls` when one is not authentic; it says either only once.
  IoResult receive_record(std::span<char> into, unsigned char& type);
  IoResult send(std::span<const char> data);
  IoResult send(std::span<const char> first, std::span<const char> second);

  // On a socket whose records the kernel seals: all of `content` in one record of this type.
  IoResult send_record(unsigned char type, std::span<const char> content);
  // At most `most` bytes to a pipe (net/pipe_pool.h). IoStatus::closed: nothing came, because of an
  // end or of a record without bytes; receiving says which. Failure is as above, but `malformed`
  // may also mean a record that is not data and that receiving brings. IoStatus::would_block: the
  // socket is empty, which the caller is to say by `drained`, or the pipe is full.
  IoResult splice_to(int pipe, std::size_t most);
  // What was just tried found it empty: nothing is tried before the kernel reports an edge.
  void drained() { readable_ = false; }
  // From a pipe that holds as much.
  IoResult splice_from(int pipe, std::size_t bytes);

  void wait_readable(Waiter* waiter) { reader_ = waiter; }
  void wait_writable(Waiter* waiter) { writer_ = waiter; }
  // Those who waited are gone, or are about to be.
  void forget_waiters() {
    reader_ = writer_ = nullptr;
    hangup_handler_ = nullptr;
  }

  // Every call and wait from now on fails with this error; waiters are woken from the loop. The
  // first cancellation counts.
  void cancel(Error error);
  bool cancelled() const { return cancelled_; }
  // Makes the read that waits now end as failed, with kind `cancelled`, without harming the socket.
  void interrupt_reader();
  // For the waiter: has it been interrupted? Resets the mark.
  bool take_interrupt() { return std::exchange(interrupted_, false); }
  // After IoStatus::failed: why.
  const Error& error() const { return error_; }

  // Called (from the loop) when the peer hangs up while nobody waits to read: the kernel has seen a
  // FIN or a reset. May be empty.
  using HangupHandler = void (*)(void* owner);
  void on_hangup(HangupHandler handler, void* owner) {
    hangup_handler_ = handler;
    hangup_owner_ = owner;
  }
  // FIN or reset has been seen by the kernel; bytes may still wait to be read.
  bool hung_up() const { return hung_up_; }
  // The kernel may hold bytes or an end that were not read yet.
  bool maybe_readable() const { return readable_; }

  void shutdown_write();
  // Makes the close a reset, for a peer that must see that the message is cut.
  void reset_on_close();

 private:
  void on_events(std::uint32_t events) override;
  IoResult fail(int error);
  IoResult after_send(ssize_t sent, std::size_t asked);
  IoResult would_block_or_fail(bool& ready);
  // What it means that nothing more comes.
  IoStatus ended() const { return lost_ ? IoStatus::failed : IoStatus::closed; }

  Waiter* reader_ = nullptr;
  Waiter* writer_ = nullptr;
  HangupHandler hangup_handler_ = nullptr;
  void* hangup_owner_ = nullptr;
  // True until the kernel says otherwise: a fresh socket is tried before it is awaited.
  bool readable_;
  bool writable_;
  bool interrupted_ = false;
  bool hung_up_ = false;
  bool cancelled_ = false;
  // The kernel tells once that a connection is lost, be it to who sends. Who reads afterwards would
  // take the loss for an end.
  bool lost_ = false;
  Error error_;
};

// co_await until_writable(socket): for the outcome of a connect. Ends at once when cancelled.
class UntilWritable final : public Waiter {
 public:
  explicit UntilWritable(Socket& socket) : socket_(socket) {}
  bool await_ready() const { return socket_.cancelled(); }
  void await_suspend(std::coroutine_handle<> awaiting) {
    awaiting_ = awaiting;
    socket_.wait_writable(this);
  }
  void await_resume() const {}
  void on_ready() override {
    socket_.wait_writable(nullptr);
    awaiting_.resume();
  }

 private:
  Socket& socket_;
  std::coroutine_handle<> awaiting_;
};

// Makes the close of a socket a reset: the peer sees that it is cut, and the kernel forgets it at
// once.
void reset_on_close(int fd);

// Starts a connection; the socket becomes writable when it stands or has failed
// (connect_outcome). Fails at once for lack of descriptors or of a route.
Result<Descriptor> start_connect(const SocketAddress& address);
// After the socket became writable: did it connect?
Status connect_outcome(int fd);

}  // namespace ocsproxy
