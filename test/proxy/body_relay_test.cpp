#include "proxy/body_relay.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "net/buffer.h"

namespace ocsproxy {
namespace {

// Plain connections over loopback: one end is a stream, the other a bare socket.
class Relayed : public testing::Test {
 protected:
  struct End {
    std::unique_ptr<Stream> stream;
    Descriptor peer;
  };

  void SetUp() override {
    for (End* end : {&from_, &to_, &other_}) ASSERT_NO_FATAL_FAILURE(connect(*end));
  }
  void TearDown() override {
    for (End* end : {&from_, &to_, &other_}) end->stream.reset();
    reactor_.stop();
    io_.run();
  }

  void connect(End& end) {
    const Descriptor listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const name = reinterpret_cast<sockaddr*>(&address);
    ASSERT_EQ(::bind(listener.get(), name, size), 0);
    ASSERT_EQ(::listen(listener.get(), 1), 0);
    ASSERT_EQ(::getsockname(listener.get(), name, &size), 0);
    end.peer = Descriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::connect(end.peer.get(), name, size), 0);
    ASSERT_EQ(::fcntl(end.peer.get(), F_SETFL, O_NONBLOCK), 0);
    Descriptor ours(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    ASSERT_TRUE(ours);
    end.stream = std::make_unique<Stream>(reactor_, std::move(ours), false, shared_);
  }

  // As much as the two sockets hold while nobody reads.
  static std::size_t fill(const Descriptor& peer) {
    const std::string piece(65'536, 'x');
    std::size_t total = 0;
    while (true) {
      const ssize_t sent = ::send(peer.get(), piece.data(), piece.size(), 0);
      if (sent <= 0) return total;
      total += static_cast<std::size_t>(sent);
    }
  }

  Task<> read_other() {
    std::array<char, 10> room;
    const IoResult got = co_await other_.stream->read(room);
    EXPECT_EQ(got.bytes, 1U);
    order_.emplace_back("other");
  }

  Task<> relay(std::size_t length) {
    Body body = Body::length(length);
    const RelayEnd end = co_await ended(body, length);
    EXPECT_EQ(end.how, RelayEnd::How::complete);
    order_.emplace_back("relay");
  }

  Task<> relay_cut(Body& body, std::size_t came, ErrorKind kind) {
    const RelayEnd end = co_await ended(body, came);
    EXPECT_EQ(end.how, RelayEnd::How::source_failed);
    EXPECT_EQ(end.error.kind, kind) << end.error.describe();
    order_.emplace_back("cut");
  }

  Task<RelayEnd> ended(Body& body, std::size_t came) {
    Buffer buffer = Buffer::take();
    Window window{buffer.data(), 0, Buffer::kSize, 0, 0};
    Timer timer(
        reactor_.timers(), [](void*) {}, nullptr);
    BodyRelay::Progress progress{timer, std::chrono::minutes(1)};
    RelayEnd end = co_await BodyRelay::run(*from_.stream, Side::upstream, *to_.stream, body, window,
                                           {}, progress);
    EXPECT_EQ(progress.bytes, came);
    co_return end;
  }

  static void send_and_reset(Descriptor& peer, std::size_t bytes) {
    const std::string begun(bytes, 'x');
    ASSERT_EQ(::send(peer.get(), begun.data(), begun.size(), 0), static_cast<ssize_t>(bytes));
    const linger abort{1, 0};
    ASSERT_EQ(::setsockopt(peer.get(), SOL_SOCKET, SO_LINGER, &abort, sizeof abort), 0);
    peer = Descriptor();
  }

  Task<> write_in_vain(Stream& stream) {
    const IoStatus status = co_await stream.write("x");
    EXPECT_EQ(status, IoStatus::failed);
    order_.emplace_back("written");
  }

  void run_until(const Task<>& done) {
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!done.done() && std::chrono::steady_clock::now() < give_up)
      io_.run_one_for(std::chrono::milliseconds(200));
    ASSERT_TRUE(done.done());
  }

  boost::asio::io_context io_{1};
  Reactor reactor_{io_};
  Library library_;
  TlsResources shared_{library_};
  End from_, to_, other_;
  std::vector<std::string> order_;
};

TEST_F(Relayed, others_have_their_turn_while_a_body_is_spliced_that_never_waits) {
  // Half of it goes through without either socket being empty or full.
  const std::size_t size = fill(from_.peer) / 2;
  ASSERT_GT(size, std::size_t{600'000});
  Task<> reading = read_other();
  reading.start();
  ASSERT_EQ(::send(other_.peer.get(), "x", 1, 0), 1);
  Task<> relaying = relay(size);
  relaying.start();
  run_until(relaying);
  EXPECT_EQ(order_, (std::vector<std::string>{"other", "relay"}));
}

// The kernel tells of a reset once, here to the second splice of a pass whose first took the bytes.
TEST_F(Relayed, a_reset_behind_the_last_bytes_of_a_spliced_body_is_told_as_one) {
  send_and_reset(from_.peer, 1000);
  Body body = Body::length(1'000'000);
  Task<> relaying = relay_cut(body, 1000, ErrorKind::reset);
  relaying.start();
  run_until(relaying);
  EXPECT_EQ(order_, (std::vector<std::string>{"cut"}));
}

// And here to a write, as of an upload, while the answer has no other end than the connection's.
TEST_F(Relayed, a_reset_that_a_write_came_upon_is_not_the_end_of_a_body_until_close) {
  send_and_reset(from_.peer, 1000);
  Task<> writing = write_in_vain(*from_.stream);
  writing.start();
  run_until(writing);
  Body body = Body::until_close();
  Task<> relaying = relay_cut(body, 1000, ErrorKind::reset);
  relaying.start();
  run_until(relaying);
  EXPECT_EQ(order_, (std::vector<std::string>{"written", "cut"}));
}

}  // namespace
}  // namespace ocsproxy
