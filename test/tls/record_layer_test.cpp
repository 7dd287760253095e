// A stream of ours against OpenSSL as it comes: what each sends, the other must understand,
// whatever happens between the records.
#include "tls/record_layer.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <openssl/err.h>

#include "handshake.h"
#include "net/buffer.h"
#include "net/task.h"
#include "tls/stream.h"

namespace ocsproxy {
namespace {

constexpr const char* kSite = "pool.contoso.local";

std::vector<unsigned char> from_hex(std::string_view text) {
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

std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 31 + i / 251);
  return text;
}

// Long texts that differ are not worth printing.
testing::AssertionResult same(const std::string& got, const std::string& wanted) {
  if (got == wanted) return testing::AssertionSuccess();
  const auto at = std::mismatch(got.begin(), got.end(), wanted.begin(), wanted.end()).first;
  return testing::AssertionFailure() << got.size() << " bytes instead of " << wanted.size()
                                     << ", the same up to " << at - got.begin();
}

// RFC 8448 section 3: the client's application data of a simple handshake.
TEST(TrafficKeys, keys_and_record_are_those_of_the_published_trace) {
  const Library library;
  TrafficKeys keys(library);
  const SslCtxPtr context(SSL_CTX_new_ex(library.get(), nullptr, TLS_client_method()));
  const SslPtr ssl(SSL_new(context.get()));
  const unsigned char suite_number[] = {0x13, 0x01};
  const EVP_CIPHER* const cipher = keys.cipher_of(SSL_CIPHER_find(ssl.get(), suite_number));
  ASSERT_NE(cipher, nullptr);
  const auto secret = from_hex("9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5");
  std::string payload(50, '\0');
  for (std::size_t i = 0; i < payload.size(); ++i) payload[i] = static_cast<char>(i);
  const auto expected = from_hex(
      "17 03 03 00 43 a2 3f 70 54 b6 2c 94 d0 af fa fe 82 28 ba 55 cb ef ac ea 42 f9 14 aa 66 bc "
      "ab 3f 2b 98 19 a8 a5 b4 6b 39 5b d5 4a 9a 20 44 1e 2b 62 97 4e 1f 5a 62 92 a2 97 70 14 bd "
      "1e 3d ea e6 3a ee bb 21 69 49 15 e4");

  RecordProtection sealing = keys.derive(cipher, secret);
  ASSERT_TRUE(sealing);
  std::string record(payload.size() + RecordProtection::kOverhead, '\0');
  const std::string_view type("\x17", 1);
  ASSERT_EQ(sealing.seal(payload, {}, type, record.data()), record.size());
  EXPECT_EQ(record, std::string(expected.begin(), expected.end()));

  RecordProtection opening = keys.derive(cipher, secret);
  std::string opened(record.size(), '\0');
  ASSERT_TRUE(opening.open(record, opened.data()));
  EXPECT_EQ(opened.substr(0, payload.size() + 1), payload + std::string(type));
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
};
constexpr std::array kWays = {
    Way{"server_aes128", true, "TLS_AES_128_GCM_SHA256"},
    Way{"server_aes256", true, "TLS_AES_256_GCM_SHA384"},
    Way{"server_chacha20", true, "TLS_CHACHA20_POLY1305_SHA256"},
    Way{"client_aes128", false, "TLS_AES_128_GCM_SHA256"},
    Way{"client_aes256", false, "TLS_AES_256_GCM_SHA384"},
    Way{"client_chacha20", false, "TLS_CHACHA20_POLY1305_SHA256"},
};

class Records : public testing::TestWithParam<Way> {
 protected:
  void SetUp() override { connect(); }
  void connect() {
    stream_.reset();
    bare_.reset();
    key_log_.clear();
    int fds[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
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
  TlsResources shared_{library_};
  std::string key_log_;
  std::unique_ptr<ServerContext> server_;
  std::unique_ptr<UpstreamContext> client_;
  std::unique_ptr<LooseServer> bare_server_;
  std::unique_ptr<LooseClient> bare_client_;
  std::unique_ptr<Bare> bare_;
  std::unique_ptr<Stream> stream_;
  IoStatus last_ = IoStatus::ok;
};

INSTANTIATE_TEST_SUITE_P(Suites, Records, testing::ValuesIn(kWays),
                         [](const auto& instance) { return instance.param.name; });

TEST_P(Records, data_of_every_size_crosses_in_both_directions) {
  for (const std::size_t size : {1U, 2U, 15U, 16U, 17U, 16'383U, 16'384U, 16'385U, 100'000U})
    expect_both_ways(pattern(size));
}

TEST_P(Records, two_pieces_of_a_write_arrive_in_one_record_where_they_fit) {
  const std::string head = pattern(300);
  EXPECT_TRUE(same(from_ours(head, pattern(16'000)), head + pattern(16'000)));
  EXPECT_TRUE(same(from_ours(head, pattern(16'384)), head + pattern(16'384)));
  EXPECT_TRUE(same(from_ours(pattern(16'384), head), pattern(16'384) + head));
  EXPECT_TRUE(same(from_ours("", head), head));
}

TEST_P(Records, a_reader_with_little_room_gets_every_byte) {
  for (const std::size_t room : {1U, 7U, 1'000U, 16'384U, 16'385U, 40'000U}) {
    const std::string text = pattern(room < 100 ? 3'000 : 90'000);
    bare_->send(bare_->sealed(text));
    EXPECT_TRUE(same(ours(room), text));
  }
}

TEST_P(Records, records_that_come_in_pieces_are_put_together) {
  const std::string text = pattern(600);
  for (std::size_t piece : {1U, 4U, 5U, 6U, 21U, 300U}) {
    const std::string record = bare_->sealed(text);
    std::string got;
    for (std::size_t at = 0; at < record.size(); at += piece) {
      bare_->send(std::string_view(record).substr(at, piece));
      got += ours();
      EXPECT_FALSE(stream_->maybe_readable() && got.size() < text.size());
    }
    EXPECT_TRUE(same(got, text));
  }
}

TEST_P(Records, many_records_at_once_are_all_read) {
  std::string wire, text;
  for (std::size_t i = 0; i < 300; ++i) {
    const std::string one = pattern(1 + i * 7 % 500);
    wire += bare_->sealed(one);
    text += one;
  }
  bare_->send(wire);
  EXPECT_TRUE(same(ours(), text));
}

TEST_P(Records, keys_that_the_peer_updates_are_followed_and_answered) {
  for (const int answer : {SSL_KEY_UPDATE_NOT_REQUESTED, SSL_KEY_UPDATE_REQUESTED}) {
    for (int times = 0; times < 3; ++times) {
      expect_both_ways(pattern(5'000));
      ASSERT_EQ(SSL_key_update(bare_->ssl(), answer), 1);
      // In front of data and, in the same flight, behind data.
      const std::string before = bare_->sealed("before ");
      ASSERT_EQ(SSL_key_update(bare_->ssl(), answer), 1);
      const std::string behind = bare_->sealed("behind");
      bare_->send(before + behind);
      EXPECT_EQ(ours(), "before behind") << stream_->error().describe();
      expect_both_ways(pattern(20'000));
      expect_both_ways("x");
    }
  }
}

TEST_P(Records, a_ticket_between_data_disturbs_nothing) {
  if (GetParam().ours_serves) return;  // clients send none
  for (int times = 0; times < 3; ++times) {
    std::string wire = bare_->sealed("before ");
    ASSERT_EQ(SSL_new_session_ticket(bare_->ssl()), 1);
    wire += bare_->sealed("behind");
    bare_->send(wire);
    EXPECT_EQ(ours(), "before behind");
    EXPECT_TRUE(session_of(stream_->ssl())) << "the ticket did not reach OpenSSL";
    expect_both_ways(pattern(100));
  }
}

TEST_P(Records, an_end_that_is_announced_is_told_from_one_that_is_not) {
  std::string wire = bare_->sealed("last words");
  SSL_shutdown(bare_->ssl());
  bare_->send(wire + bare_->said());
  EXPECT_EQ(ours(), "last words");
  EXPECT_EQ(last_, IoStatus::closed);
  // The other direction is still open.
  EXPECT_TRUE(same(from_ours("good bye"), "good bye"));
  stream_->finish_writing();
  EXPECT_EQ(bare_->read(), "");
  EXPECT_EQ(bare_->error(), SSL_ERROR_ZERO_RETURN);
}

TEST_P(Records, a_connection_that_ends_without_a_word_is_truncated) {
  bare_->send(bare_->sealed("cut "));
  const std::string half = bare_->sealed("in two");
  bare_->send(half.substr(0, 10));
  EXPECT_EQ(ours(), "cut ");
  EXPECT_EQ(bare_->read(), "");  // else the kernel would tell of a reset
  bare_.reset();
  EXPECT_EQ(ours(), "");
  EXPECT_EQ(last_, IoStatus::failed);
  EXPECT_EQ(stream_->error().kind, ErrorKind::truncated);
}

TEST_P(Records, looking_at_the_end_takes_nothing_away) {
  EXPECT_EQ(stream_->peek_end(), Stream::End::none);
  std::string wire = bare_->sealed("data ");
  wire += bare_->sealed("comes first");
  SSL_shutdown(bare_->ssl());
  bare_->send(wire + bare_->said());
  turn();
  EXPECT_EQ(stream_->peek_end(), Stream::End::none);
  EXPECT_EQ(stream_->peek_end(), Stream::End::none);
  EXPECT_TRUE(stream_->maybe_readable());
  EXPECT_EQ(ours(), "data comes first");
  EXPECT_EQ(stream_->peek_end(), Stream::End::half_closed);
}

// ---- what no honest peer sends

TEST_P(Records, any_bit_that_was_changed_ends_the_connection) {
  // One test run for each would be a handshake each; a place in every part of the record will do.
  const std::string record = bare_->sealed("the genuine one");
  const std::size_t place = static_cast<std::size_t>(GetParam().suite[7]) % record.size();
  std::string forged = record;
  forged[std::max<std::size_t>(place, 5)] ^= 1;
  bare_->send(forged);
  expect_refused("decryption failed or bad record mac", SSL_AD_BAD_RECORD_MAC);
}

TEST_P(Records, a_changed_tag_ends_the_connection) {
  std::string forged = bare_->sealed("the genuine one");
  forged.back() ^= static_cast<char>(0x80);
  bare_->send(forged);
  expect_refused("decryption failed or bad record mac", SSL_AD_BAD_RECORD_MAC);
}

TEST_P(Records, a_record_that_is_sent_again_ends_the_connection) {
  const std::string record = bare_->sealed("pay 1 EUR");
  bare_->send(record);
  ASSERT_EQ(ours(), "pay 1 EUR");
  bare_->send(record);
  expect_refused("decryption failed or bad record mac", SSL_AD_BAD_RECORD_MAC);
}

TEST_P(Records, records_in_the_wrong_order_end_the_connection) {
  const std::string first = bare_->sealed("first");
  const std::string second = bare_->sealed("second");
  bare_->send(second + first);
  expect_refused("decryption failed or bad record mac", SSL_AD_BAD_RECORD_MAC);
}

TEST_P(Records, padding_is_taken_off) {
  RecordProtection peer = forger(first_number());
  using namespace std::string_literals;
  bare_->send(sealed(peer, "pad\x17" + std::string(1'000, '\0')));
  bare_->send(sealed(peer, "ded\x17"s));
  bare_->send(sealed(peer, "\0\0\x17\0"s));
  EXPECT_EQ(ours(), "padded\0\0"s);
}

TEST_P(Records, a_few_empty_records_are_borne_and_many_are_not) {
  RecordProtection peer = forger(first_number());
  for (int i = 0; i < 32; ++i) bare_->send(sealed(peer, "\x17"));
  EXPECT_EQ(ours(), "");
  ASSERT_EQ(last_, IoStatus::would_block);
  bare_->send(sealed(peer, "x\x17"));
  EXPECT_EQ(ours(), "x");
  for (int i = 0; i < 33; ++i) bare_->send(sealed(peer, "\x17"));
  EXPECT_EQ(ours(), "");
  EXPECT_EQ(last_, IoStatus::failed);
}

TEST_P(Records, a_record_without_a_type_ends_the_connection) {
  RecordProtection peer = forger(first_number());
  bare_->send(sealed(peer, std::string(20, '\0')));
  EXPECT_EQ(ours(), "");
  EXPECT_EQ(last_, IoStatus::failed);
}

TEST_P(Records, a_record_of_an_unknown_type_ends_the_connection) {
  RecordProtection peer = forger(first_number());
  bare_->send(sealed(peer, "data?\x63"));
  EXPECT_EQ(ours(), "");
  EXPECT_EQ(last_, IoStatus::failed);
}

TEST_P(Records, the_longest_content_is_taken_and_a_longer_one_is_not) {
  RecordProtection peer = forger(first_number());
  const std::string longest = pattern(16'384);
  bare_->send(sealed(peer, longest + "\x17"));
  EXPECT_TRUE(same(ours(), longest));
  bare_->send(sealed(peer, longest + "y\x17"));
  EXPECT_EQ(ours(), "");
  EXPECT_EQ(last_, IoStatus::failed);
}

TEST_P(Records, a_header_that_announces_too_much_ends_the_connection_at_once) {
  bare_->send(bare_->sealed("good") + std::string("\x17\x03\x03\x41\x01", 5));
  EXPECT_EQ(ours(), "good");
  EXPECT_EQ(last_, IoStatus::failed);
}

TEST_P(Records, a_header_that_announces_too_little_ends_the_connection_at_once) {
  bare_->send(bare_->sealed("good") + std::string("\x17\x03\x03\x00\x03", 5));
  EXPECT_EQ(ours(), "good");
  EXPECT_EQ(last_, IoStatus::failed);
}

TEST_P(Records, nothing_is_written_after_a_fatal_alert) {
  bare_->send(bare_->sealed("request") + std::string(30, 'x'));
  EXPECT_EQ(ours(), "request");
  IoStatus status = IoStatus::ok;
  Task<> task = write_ours(stream_.get(), "answer", "", &status);
  task.start();
  ASSERT_TRUE(task.done());
  EXPECT_EQ(status, IoStatus::failed);
  EXPECT_EQ(bare_->read(), "");
}

TEST_P(Records, an_end_that_came_with_data_can_be_seen_after_it) {
  std::string wire = bare_->sealed("data");
  SSL_shutdown(bare_->ssl());
  bare_->send(wire + bare_->said());
  turn();
  std::string room(100, '\0');
  ASSERT_EQ(stream_->try_read(std::span(room)).bytes, 4u);
  EXPECT_TRUE(stream_->maybe_readable());
  EXPECT_EQ(stream_->try_read(std::span(room)).status, IoStatus::closed);
}

// ---- handshake messages behind the handshake

TEST_P(Records, a_key_update_in_pieces_is_put_together) {
  RecordProtection peer = forger(first_number());
  using namespace std::string_literals;
  bare_->send(sealed(peer, "\x18\x16"s));
  bare_->send(sealed(peer, "\0\0\x01\x16"s));
  EXPECT_EQ(ours(), "");
  ASSERT_EQ(last_, IoStatus::would_block);
  bare_->send(sealed(peer, "\0\x16"s));
  EXPECT_EQ(ours(), "");
  ASSERT_EQ(last_, IoStatus::would_block) << stream_->error().describe();
  bare_->send(sealed(peer, "the old keys\x17"));
  EXPECT_EQ(ours(), "");
  EXPECT_EQ(last_, IoStatus::failed) << "the keys were not updated";
}

TEST_P(Records, handshake_messages_that_have_no_place_end_the_connection) {
  using namespace std::string_view_literals;
  const bool server = GetParam().ours_serves;
  const std::vector<std::vector<std::string_view>> offences = {
      {"\x18\0\0\x01\x02\x16"sv},                          // neither requested nor not
      {"\x18\0\0\x02\0\0\x16"sv},                          // too long
      {"\x18\0\0\x01\0\x18\0\0\x01\0\x16"sv},              // not the end of its record
      {"\x18\0\x16"sv, "data\x17"sv},                      // data in the middle of it
      {"\x01\0\0\0\x16"sv},                                // a ClientHello
      {server ? "\x04\0\0\0\x16"sv : "\x0d\0\0\0\x16"sv},  // a ticket from a client, a request
      {"\x04\xff\xff\xff\x16"sv},                          // longer than anything
      {"\x04\0\0\x01\x01\x16"sv},                          // a ticket that is none
      {"\x16"sv},                                          // nothing at all
  };
  for (const auto& records : offences) {
    connect();
    RecordProtection peer = forger(first_number());
    for (const std::string_view inner : records) bare_->send(sealed(peer, inner));
    EXPECT_EQ(ours(), "") << &records - offences.data();
    EXPECT_EQ(last_, IoStatus::failed) << &records - offences.data();
    EXPECT_EQ(bare_->read(), "");
    EXPECT_EQ(bare_->error(), SSL_ERROR_SSL) << "no alert for " << &records - offences.data();
    ERR_clear_error();
  }
}

TEST_P(Records, keys_that_are_updated_without_end_end_the_connection) {
  for (unsigned i = 0; i < 64; ++i) {
    ASSERT_EQ(SSL_key_update(bare_->ssl(), SSL_KEY_UPDATE_REQUESTED), 1);
    bare_->send(bare_->sealed("x"));
    ASSERT_EQ(ours(), "x") << i;
    ASSERT_EQ(bare_->read(), "");
  }
  ASSERT_EQ(SSL_key_update(bare_->ssl(), SSL_KEY_UPDATE_REQUESTED), 1);
  bare_->send(bare_->sealed("x"));
  EXPECT_EQ(ours(), "");
  EXPECT_EQ(last_, IoStatus::failed);
}

TEST_P(Records, our_own_keys_are_updated_before_a_cipher_wears_out) {
  shared_.records_per_key = 4;
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(same(from_ours(pattern(40'000)), pattern(40'000)));
  expect_both_ways("and back");
}

TEST_P(Records, a_question_for_new_keys_after_our_end_is_not_answered) {
  stream_->finish_writing();
  ASSERT_EQ(SSL_key_update(bare_->ssl(), SSL_KEY_UPDATE_REQUESTED), 1);
  bare_->send(bare_->sealed("still to come"));
  stream_->finish_writing();
  EXPECT_EQ(ours(), "still to come");
  EXPECT_EQ(last_, IoStatus::would_block) << stream_->error().describe();
}

TEST_P(Records, a_record_in_the_clear_ends_the_connection) {
  bare_->send(std::string_view("\x15\x03\x03\x00\x02\x01\x00", 7));  // close_notify, says anybody
  EXPECT_EQ(ours(), "");
  EXPECT_EQ(last_, IoStatus::failed);
}

TEST_P(Records, a_fatal_alert_is_the_reason_of_the_failure) {
  RecordProtection peer = forger(first_number());
  bare_->send(sealed(peer, "\x02\x50\x15"));  // internal_error
  EXPECT_EQ(ours(), "");
  EXPECT_EQ(last_, IoStatus::failed);
  EXPECT_EQ(stream_->error().detail, "the peer ended TLS with the alert \"internal error\"");
}

TEST_P(Records, memory_that_was_given_back_is_taken_again) {
  expect_both_ways("warm");
  stream_->shed();
  expect_both_ways("cold");
}

// ---- connections that are not taken over

class ShortRecords : public Records {
 protected:
  void prepare_bare(SSL* ssl) override {
    SSL_set_tlsext_max_fragment_length(ssl, TLSEXT_max_fragment_length_512);
  }
};

INSTANTIATE_TEST_SUITE_P(Suites, ShortRecords, testing::Values(kWays[0], kWays[2]),
                         [](const auto& instance) { return instance.param.name; });

TEST_P(ShortRecords, a_client_that_asked_for_short_records_gets_them) {
  expect_both_ways(pattern(5'000));
}

}  // namespace
}  // namespace ocsproxy
