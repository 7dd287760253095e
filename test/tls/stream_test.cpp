#include "tls/stream.h"

#include <sys/socket.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "net/buffer.h"
#include "net/task.h"
#include "test/tls/handshake.h"

namespace ocsproxy {
namespace {

constexpr std::string_view kSite = "pool.contoso.local";

// Two streams joined by a socket pair inside one reactor.
class Streams : public ::testing::Test {
 protected:
  void SetUp() override {
    int fds[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    left_ = std::make_unique<Stream>(reactor_, Descriptor(fds[0]), false, shared_);
    right_ = std::make_unique<Stream>(reactor_, Descriptor(fds[1]), false, shared_);
  }
  void TearDown() override {
    left_.reset();
    right_.reset();
    reactor_.stop();
    io_.run();
  }

  // The handshake comes next; the right one is the server.
  void start_tls(int version) {
    const MadeCertificate root = made(library_, authority_request("Test Root"));
    const MadeCertificate leaf = made(library_, server_request({std::string(kSite)}), &root);
    auto server = ServerContext::make(
        library_, {.listener = "test", .certificates = {parsed(library_, leaf)}},
        TicketKeys::make(library_));
    auto client = UpstreamContext::make(library_, {.roots = roots_of(library_, {root})});
    ASSERT_TRUE(server);
    ASSERT_TRUE(client);
    server_ = *std::move(server);
    client_ = *std::move(client);
    SslPtr client_end = *client_->new_ssl(kSite);
    SSL_set_max_proto_version(client_end.get(), version);
    left_->start_tls(std::move(client_end));
    right_->start_tls(server_->new_ssl());
  }

  static Task<> shake(Stream* stream) {
    const IoStatus status = co_await stream->handshake();
    EXPECT_EQ(status, IoStatus::ok) << stream->error().describe();
  }

  void run_until(const std::function<bool()>& done) {
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!done() && std::chrono::steady_clock::now() < give_up)
      io_.run_one_for(std::chrono::milliseconds(200));
    ASSERT_TRUE(done());
  }

  static Task<> send_all(Stream* stream, const std::string* data, std::size_t piece, bool finish) {
    for (std::size_t at = 0; at < data->size(); at += piece) {
      const std::size_t size = std::min(piece, data->size() - at);
      const std::size_t half = size / 2;
      const IoStatus status = co_await stream->write(
          std::span(data->data() + at, half), std::span(data->data() + at + half, size - half));
      EXPECT_EQ(status, IoStatus::ok) << stream->error().describe();
      if (status != IoStatus::ok) co_return;
    }
    if (finish) stream->finish_writing();
  }

  struct Received {
    std::string data;
    IoStatus end = IoStatus::ok;
    int reads = 0;
  };
  static Task<> receive_all(Stream* stream, Received* into, std::size_t room) {
    Buffer buffer = Buffer::take();
    while (true) {
      const IoResult got = co_await stream->read(buffer.span(0, room));
      ++into->reads;
      if (got.status != IoStatus::ok) {
        into->end = got.status;
        co_return;
      }
      into->data.append(buffer.data(), got.bytes);
    }
  }

  static std::string pattern(std::size_t size) {
    std::string text(size, '\0');
    for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 31 + i / 251);
    return text;
  }

  boost::asio::io_context io_{1};
  Reactor reactor_{io_};
  Library library_;
  TlsResources shared_{library_};
  std::unique_ptr<ServerContext> server_;
  std::unique_ptr<UpstreamContext> client_;
  std::unique_ptr<Stream> left_;
  std::unique_ptr<Stream> right_;
};

// Plain, or after a handshake of a TLS version: OpenSSL's records and ours.
struct Transport {
  const char* name;
  int version;  // 0: no TLS
};

class StreamPair : public Streams, public ::testing::WithParamInterface<Transport> {
 protected:
  static bool secure() { return GetParam().version != 0; }
  void SetUp() override {
    Streams::SetUp();
    if (!secure()) return;
    ASSERT_NO_FATAL_FAILURE(start_tls(GetParam().version));
    Task<> left = shake(left_.get());
    Task<> right = shake(right_.get());
    left.start();
    right.start();
    run_until([&] { return left.done() && right.done(); });
  }
};

INSTANTIATE_TEST_SUITE_P(Transports, StreamPair,
                         ::testing::Values(Transport{"plain", 0},
                                           Transport{"tls1_2", TLS1_2_VERSION},
                                           Transport{"tls1_3", TLS1_3_VERSION}),
                         [](const auto& instance) { return instance.param.name; });

TEST_P(StreamPair, megabytes_cross_in_both_directions_at_once_and_end_cleanly) {
  const std::string there = pattern(9'000'017);
  const std::string back = pattern(5'000'003);
  Received at_right, at_left;
  left_->expect_bulk();
  right_->expect_bulk();
  Task<> tasks[] = {send_all(left_.get(), &there, Buffer::kSize, true),
                    receive_all(right_.get(), &at_right, Buffer::kSize),
                    send_all(right_.get(), &back, 1000, true),
                    receive_all(left_.get(), &at_left, 777)};
  for (Task<>& task : tasks) task.start();
  run_until([&] {
    return std::all_of(std::begin(tasks), std::end(tasks), [](const auto& t) { return t.done(); });
  });
  EXPECT_EQ(at_right.data, there);
  EXPECT_EQ(at_left.data, back);
  EXPECT_EQ(at_right.end, IoStatus::closed);
  EXPECT_EQ(at_left.end, IoStatus::closed);
}

TEST_P(StreamPair, writer_waits_while_the_reader_does_not_read) {
  const std::string data = pattern(20'000'000);
  Task<> sender = send_all(left_.get(), &data, Buffer::kSize, false);
  sender.start();
  for (int i = 0; i < 20; ++i) io_.run_one_for(std::chrono::milliseconds(10));
  EXPECT_FALSE(sender.done());
  Received received;
  Task<> receiver = receive_all(right_.get(), &received, Buffer::kSize);
  receiver.start();
  run_until([&] { return sender.done(); });
  left_->finish_writing();
  run_until([&] { return receiver.done(); });
  EXPECT_EQ(received.data, data);
}

TEST_P(StreamPair, cancel_wakes_a_reader_and_a_writer_with_the_error_that_was_given) {
  const std::string data = pattern(20'000'000);
  Received received;
  Task<> reader = receive_all(left_.get(), &received, 100);
  reader.start();
  bool failed = false;
  const auto blocked_write = [](Stream* stream, const std::string* all, bool* seen) -> Task<> {
    while (true) {
      const IoStatus status = co_await stream->write(std::span(all->data(), Buffer::kSize));
      if (status == IoStatus::failed) {
        *seen = stream->error().kind == ErrorKind::timeout;
        co_return;
      }
    }
  };
  Task<> writer = blocked_write(left_.get(), &data, &failed);
  writer.start();
  for (int i = 0; i < 5; ++i) io_.run_one_for(std::chrono::milliseconds(10));
  ASSERT_FALSE(reader.done());
  ASSERT_FALSE(writer.done());
  left_->socket().cancel(Error{.kind = ErrorKind::timeout});
  run_until([&] { return reader.done() && writer.done(); });
  EXPECT_EQ(received.end, IoStatus::failed);
  EXPECT_TRUE(failed);
}

TEST_P(StreamPair, interrupted_read_ends_and_the_stream_can_still_be_used) {
  Received received;
  Task<> reader = receive_all(left_.get(), &received, 100);
  reader.start();
  left_->socket().interrupt_reader();
  run_until([&] { return reader.done(); });
  EXPECT_EQ(received.end, IoStatus::failed);
  EXPECT_EQ(left_->error().kind, ErrorKind::cancelled);
  const std::string hello = "hello";
  Task<> sender = send_all(right_.get(), &hello, 100, true);
  sender.start();
  Received again;
  Task<> reader_again = receive_all(left_.get(), &again, 100);
  reader_again.start();
  run_until([&] { return reader_again.done(); });
  EXPECT_EQ(again.data, hello);
}

TEST_P(StreamPair, half_of_a_message_does_not_make_readable_spin) {
  // A stream that says "readable" without bytes would keep its worker busy for ever.
  const std::string part = "x";
  int rounds = 0;
  const auto watch = [](Stream* stream, int* count) -> Task<> {
    Buffer buffer = Buffer::take();
    while (co_await stream->readable()) {
      ++*count;
      if (stream->try_read(buffer.span()).status == IoStatus::failed) co_return;
    }
  };
  Task<> watcher = watch(left_.get(), &rounds);
  watcher.start();
  if (secure()) {
    // The first bytes of a record, by the bare socket.
    const char half_record[] = {23, 3, 3, 0, 100, 1, 2, 3};
    ASSERT_EQ(::send(right_->socket().fd(), half_record, sizeof half_record, 0),
              ssize_t{sizeof half_record});
  } else {
    ASSERT_EQ(::send(right_->socket().fd(), part.data(), part.size(), 0), 1);
  }
  for (int i = 0; i < 5; ++i) io_.run_one_for(std::chrono::milliseconds(20));
  EXPECT_LE(rounds, 2);
  left_->socket().cancel(Error{.kind = ErrorKind::cancelled});
  run_until([&] { return watcher.done(); });
}

TEST_P(StreamPair, peer_that_vanishes_is_told_apart_from_one_that_says_goodbye) {
  EXPECT_EQ(left_->peek_end(), Stream::End::none);
  ::shutdown(right_->socket().fd(), SHUT_WR);
  run_until([&] { return left_->socket().hung_up(); });
  EXPECT_EQ(left_->peek_end(), secure() ? Stream::End::broken : Stream::End::half_closed);
}

TEST_P(StreamPair, what_looking_at_the_end_makes_tls_say_goes_to_its_own_peer) {
  ::shutdown(right_->socket().fd(), SHUT_WR);
  run_until([&] { return left_->socket().hung_up(); });
  (void)left_->peek_end();
  EXPECT_EQ(shared_.gathered_size, 0u) << "the next stream of the worker would send it";
}

TEST_P(StreamPair, goodbye_of_the_peer_is_seen_without_reading) {
  right_->finish_writing();
  run_until([&] { return left_->socket().hung_up(); });
  EXPECT_EQ(left_->peek_end(), Stream::End::half_closed);
}

TEST_P(StreamPair, large_reads_take_several_records_at_once) {
  const std::string data = pattern(4'000'000);
  Received received;
  right_->expect_bulk();
  Task<> sender = send_all(left_.get(), &data, Buffer::kSize, true);
  Task<> receiver = receive_all(right_.get(), &received, Buffer::kSize);
  sender.start();
  receiver.start();
  run_until([&] { return receiver.done(); });
  ASSERT_EQ(received.data.size(), data.size());
  // One record a read would be 244 of them.
  EXPECT_LT(received.reads, 160);
}

TEST_F(Streams, what_came_behind_the_handshake_is_read_although_its_sender_takes_no_tickets) {
  ASSERT_NO_FATAL_FAILURE(start_tls(TLS1_3_VERSION));
  const std::string request = "GET / HTTP/1.1\r\n\r\n";
  // All of it before the server sees the client's Finished: nothing here waits.
  const auto ask_and_vanish = [](Stream* stream, const std::string* data) -> Task<> {
    co_await shake(stream);
    co_await send_all(stream, data, data->size(), false);
    ::shutdown(stream->socket().fd(), SHUT_RDWR);
  };
  const auto serve = [](Stream* stream, Received* into) -> Task<> {
    co_await shake(stream);
    co_await receive_all(stream, into, Buffer::kSize);
  };
  Received received;
  Task<> client = ask_and_vanish(left_.get(), &request);
  Task<> server = serve(right_.get(), &received);
  client.start();
  server.start();
  run_until([&] { return client.done() && server.done(); });
  EXPECT_EQ(received.data, request);
  EXPECT_EQ(received.end, IoStatus::failed);
}

}  // namespace
}  // namespace ocsproxy
