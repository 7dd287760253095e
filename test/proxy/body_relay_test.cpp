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
    const RelayEnd end = co_await ended(length, length);
    EXPECT_EQ(end.how, RelayEnd::How::complete);
    order_.emplace_back("relay");
  }

  Task<> relay_cut(std::size_t length, std::size_t came, ErrorKind kind) {
    const RelayEnd end = co_await ended(length, came);
    EXPECT_EQ(end.how, RelayEnd::How::source_failed);
    EXPECT_EQ(end.error.kind, kind) << end.error.describe();
    order_.emplace_back("cut");
  }

  Task<RelayEnd> ended(std::size_t length, std::size_t came) {
    Buffer buffer = Buffer::take();
    Window window{buffer.data(), 0, Buffer::kSize, 0, 0};
    Body body = Body::length(length);
    Timer timer(
        reactor_.timers(), [](void*) {}, nullptr);
    BodyRelay::Progress progress{timer, std::chrono::minutes(1)};
    RelayEnd end = co_await BodyRelay::run(*from_.stream, Side::upstream, *to_.stream, body, window,
                                           {}, progress);
    EXPECT_EQ(progress.bytes, came);
    co_return end;
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
  const std::string begun(1000, 'x');
  ASSERT_EQ(::send(from_.peer.get(), begun.data(), begun.size(), 0), 1000);
  const linger abort{1, 0};
  ASSERT_EQ(::setsockopt(from_.peer.get(), SOL_SOCKET, SO_LINGER, &abort, sizeof abort), 0);
  from_.peer = Descriptor();
  Task<> relaying = relay_cut(1'000'000, begun.size(), ErrorKind::reset);
  relaying.start();
  run_until(relaying);
  EXPECT_EQ(order_, (std::vector<std::string>{"cut"}));
}

}  // namespace
}  // namespace ocsproxy
