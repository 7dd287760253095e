// A stream of ours against OpenSSL as it comes, whose bytes go through the test's hands.
#pragma once

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>
#include <openssl/err.h>

#include "handshake.h"
#include "net/buffer.h"
#include "net/task.h"
#include "tls/record_layer.h"
#include "tls/stream.h"

namespace ocsproxy {

inline constexpr const char* kSite = "pool.contoso.local";

inline std::vector<unsigned char> from_hex(std::string_view text) {
  std::vector<unsigned char> bytes;
  std::string digits;
  for (const char c : text) {
    if (c == ' ') continue;
    digits += c;
    if (digits.size() < 2) continue;
    bytes.push_back(static_cast<unsigned char>(std::stoi(digits, nullptr, 16)));
    digits.clear();
  }
  return bytes;
}

inline std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 31 + i / 251);
  return text;
}

// Long texts that differ are not worth printing.
inline testing::AssertionResult same(const std::string& got, const std::string& wanted) {
  if (got == wanted) return testing::AssertionSuccess();
  const auto at = std::mismatch(got.begin(), got.end(), wanted.begin(), wanted.end()).first;
  return testing::AssertionFailure() << got.size() << " bytes instead of " << wanted.size()
                                     << ", the same up to " << at - got.begin();
}

// OpenSSL over memory; its bytes go through the test's hands.
class Bare {
 public:
  Bare(SslPtr ssl, int fd) : ssl_(std::move(ssl)), fd_(fd) {
    in_ = BIO_new(BIO_s_mem());
    out_ = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(in_, -1);
    SSL_set_bio(ssl_.get(), in_, out_);
  }
  SSL* ssl() { return ssl_.get(); }
  // What came over the socket goes to OpenSSL, as much as is there.
  void receive() {
    std::array<char, 65536> bytes;
    ssize_t got = 0;
    while ((got = ::recv(fd_.get(), bytes.data(), bytes.size(), 0)) > 0)
      BIO_write(in_, bytes.data(), static_cast<int>(got));
    closed_ = closed_ || got == 0;
  }
  // What OpenSSL has to say, taken away.
  std::string said() {
    std::string bytes(BIO_ctrl_pending(out_), '\0');
    if (!bytes.empty()) BIO_read(out_, bytes.data(), static_cast<int>(bytes.size()));
    return bytes;
  }
  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  void send_said() { send(said()); }
  // The records of `text`, not sent.
  std::string sealed(std::string_view text) {
    EXPECT_EQ(SSL_write(ssl(), text.data(), static_cast<int>(text.size())),
              static_cast<int>(text.size()));
    return said();
  }
  // All data that has come.
  std::string read() {
    receive();
    std::string all;
    std::array<char, 16384> bytes;
    int got = 0;
    while ((got = SSL_read(ssl(), bytes.data(), bytes.size())) > 0)
      all.append(bytes.data(), static_cast<std::size_t>(got));
    error_ = SSL_get_error(ssl(), got);
    return all;
  }
  int error() const { return error_; }
  bool closed() const { return closed_; }

 private:
  SslPtr ssl_;
  Descriptor fd_;
  BIO* in_ = nullptr;
  BIO* out_ = nullptr;
  int error_ = SSL_ERROR_NONE;
  bool closed_ = false;
};

struct Way {
  const char* name;
  bool ours_serves;
  const char* suite;
  bool vectors = false;  // AES-GCM by VectorGcm, where this machine has it
};
inline constexpr std::array kWays = {
    Way{"server_aes128", true, "TLS_AES_128_GCM_SHA256"},
    Way{"server_aes256", true, "TLS_AES_256_GCM_SHA384"},
    Way{"server_chacha20", true, "TLS_CHACHA20_POLY1305_SHA256"},
    Way{"client_aes128", false, "TLS_AES_128_GCM_SHA256"},
    Way{"client_aes256", false, "TLS_AES_256_GCM_SHA384"},
    Way{"client_chacha20", false, "TLS_CHACHA20_POLY1305_SHA256"},
    Way{"server_aes128_vectors", true, "TLS_AES_128_GCM_SHA256", true},
    Way{"server_aes256_vectors", true, "TLS_AES_256_GCM_SHA384", true},
    Way{"client_aes128_vectors", false, "TLS_AES_128_GCM_SHA256", true},
    Way{"client_aes256_vectors", false, "TLS_AES_256_GCM_SHA384", true},
    Way{"server_chacha20_vectors", true, "TLS_CHACHA20_POLY1305_SHA256", true},
};

class Records : public testing::TestWithParam<Way> {
 protected:
  explicit Records(const KernelTls& offered = {})
      : shared_(library_, {.kernel = offered,
                           .gcm = GetParam().vectors ? VectorGcm::detect(library_) : VectorGcm()}) {
  }
  void SetUp() override { connect(); }
  void connect() {
    stream_.reset();
    bare_.reset();
    key_log_.clear();
    int fds[2];
    ASSERT_NO_FATAL_FAILURE(join(fds));
    const MadeCertificate root = made(library_, authority_request("Root"));
    const MadeCertificate leaf = made(library_, server_request({kSite}), &root);
    stream_ = std::make_unique<Stream>(reactor_, Descriptor(fds[0]), false, shared_);
    SslPtr bare;
    if (GetParam().ours_serves) {
      auto server = ServerContext::make(
          library_, {.listener = "test", .certificates = {parsed(library_, leaf)}},
          TicketKeys::make(library_));
      ASSERT_TRUE(server);
      server_ = *std::move(server);
      stream_->start_tls(server_->new_ssl());
      bare_client_ = std::make_unique<LooseClient>(library_);
      bare = bare_client_->new_ssl(kSite);
    } else {
      auto client = UpstreamContext::make(library_, {.roots = roots_of(library_, {root})});
      ASSERT_TRUE(client);
      client_ = *std::move(client);
      stream_->start_tls(*client_->new_ssl(kSite));
      bare_server_ = std::make_unique<LooseServer>(library_, leaf);
      bare = bare_server_->new_ssl();
    }
    SSL_set_ciphersuites(bare.get(), GetParam().suite);
    prepare_bare(bare.get());
    SSL_CTX_set_keylog_callback(SSL_get_SSL_CTX(bare.get()), &Records::on_key_log);
    SSL_set_app_data(bare.get(), this);
    bare_ = std::make_unique<Bare>(std::move(bare), fds[1]);
    shake();
  }
  void TearDown() override {
    stream_.reset();
    bare_.reset();
    reactor_.stop();
    io_.run();
  }

  virtual void prepare_bare(SSL*) {}
  // Two non-blocking sockets, one for each side.
  virtual void join(int (&fds)[2]) {
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
  }

  static void on_key_log(const SSL* ssl, const char* line) {
    static_cast<Records*>(SSL_get_app_data(ssl))->key_log_ += std::string(line) + "\n";
  }

  static Task<> shake_ours(Stream* stream, IoStatus* status) {
    *status = co_await stream->handshake();
  }

  void shake() {
    IoStatus status = IoStatus::would_block;
    Task<> task = shake_ours(stream_.get(), &status);
    task.start();
    for (int round = 0; round < 1000 && !(task.done() && SSL_is_init_finished(bare_->ssl()));
         ++round) {
      bare_->receive();
      SSL_do_handshake(bare_->ssl());
      ERR_clear_error();
      bare_->send_said();
      turn();
    }
    ASSERT_EQ(status, IoStatus::ok) << stream_->error().describe();
    ASSERT_STREQ(SSL_get_cipher_name(bare_->ssl()), GetParam().suite);
    if (GetParam().ours_serves) {
      stream_->forget_handshake();
    }
  }

  // The reactor sees what the socket has.
  void turn() {
    io_.run_one_for(std::chrono::milliseconds(1));
    io_.poll();
  }

  // All that our stream can read now.
  std::string ours(std::size_t room = Buffer::kSize) {
    turn();
    std::string all;
    std::string piece(room, '\0');
    while (true) {
      const IoResult got = stream_->try_read(std::span(piece));
      last_ = got.status;
      if (got.status != IoStatus::ok) return all;
      all.append(piece, 0, got.bytes);
    }
  }

  static Task<> write_ours(Stream* stream, std::string first, std::string second,
                           IoStatus* status) {
    *status = co_await stream->write(first, second);
  }
  // What arrives at the other end of what ours writes.
  std::string from_ours(const std::string& first, const std::string& second = {}) {
    IoStatus status = IoStatus::would_block;
    Task<> task = write_ours(stream_.get(), first, second, &status);
    task.start();
    std::string all = bare_->read();
    for (int round = 0; round < 10'000 && !task.done(); ++round) {
      turn();
      all += bare_->read();
    }
    EXPECT_EQ(status, IoStatus::ok) << stream_->error().describe();
    return all + bare_->read();
  }
  void expect_both_ways(const std::string& text) {
    bare_->send(bare_->sealed(text));
    EXPECT_TRUE(same(ours(), text)) << stream_->error().describe();
    EXPECT_TRUE(same(from_ours(text), text));
  }

  // The protection of what the bare peer sends, for records that OpenSSL would not write.
  RecordProtection forger(std::uint64_t sequence) {
    const std::string label = GetParam().ours_serves ? "CLIENT" : "SERVER";
    const std::size_t line = key_log_.find(label + "_TRAFFIC_SECRET_0 ");
    EXPECT_NE(line, std::string::npos);
    const std::size_t end = key_log_.find('\n', line);
    const std::size_t begin = key_log_.rfind(' ', end) + 1;
    const auto secret = from_hex(key_log_.substr(begin, end - begin));
    RecordProtection made =
        shared_.keys.derive(shared_.keys.cipher_of(SSL_get_current_cipher(bare_->ssl())), secret);
    made.set_sequence(sequence);
    return made;
  }
  static std::string sealed(RecordProtection& protection, std::string_view inner) {
    std::string record(inner.size() + 21, '\0');
    EXPECT_EQ(protection.seal(inner, {}, {}, record.data()), record.size());
    return record;
  }
  // The records that a bare server sends behind its handshake count.
  std::uint64_t first_number() const { return GetParam().ours_serves ? 0 : tickets_; }

  void expect_refused(const char* reason, int alert) {
    EXPECT_EQ(ours(), "");
    EXPECT_EQ(last_, IoStatus::failed);
    EXPECT_EQ(stream_->error().detail, reason);
    EXPECT_EQ(bare_->read(), "");
    EXPECT_EQ(bare_->error(), SSL_ERROR_SSL);
    const unsigned long error = ERR_peek_error();
    EXPECT_EQ(ERR_GET_REASON(error), SSL_AD_REASON_OFFSET + alert) << openssl_errors();
    ERR_clear_error();
    EXPECT_EQ(ours(), "") << "a failed stream reads on";
  }

  static constexpr std::uint64_t tickets_ = 2;  // OpenSSL's default, a record each

  boost::asio::io_context io_{1};
  Reactor reactor_{io_};
  Library library_;
  TlsResources shared_;
  std::string key_log_;
  std::unique_ptr<ServerContext> server_;
  std::unique_ptr<UpstreamContext> client_;
  std::unique_ptr<LooseServer> bare_server_;
  std::unique_ptr<LooseClient> bare_client_;
  std::unique_ptr<Bare> bare_;
  std::unique_ptr<Stream> stream_;
  IoStatus last_ = IoStatus::ok;
};

}  // namespace ocsproxy
