// What ours and OpenSSL send, the other must understand, whatever happens between the records.
#include "tls/record_layer.h"

#include "bare_peer.h"

namespace ocsproxy {
namespace {

// RFC 8448 section 3: the client's application data of a simple handshake.
class PublishedTrace : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Ciphers, PublishedTrace, testing::Bool(), [](const auto& instance) {
  return std::string(instance.param ? "vectors" : "openssl");
});

TEST_P(PublishedTrace, its_keys_and_its_record_are_ours) {
  const Library library;
  TrafficKeys keys(library, GetParam() ? VectorGcm::detect(library) : VectorGcm());
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

TEST_P(Records, our_own_keys_are_updated_before_a_cipher_wears_out) {
  shared_.records_per_key = 4;
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(same(from_ours(pattern(40'000)), pattern(40'000)));
  expect_both_ways("and back");
}

TEST_P(Records, memory_that_was_given_back_is_taken_again) {
  expect_both_ways("warm");
  stream_->shed();
  expect_both_ways("cold");
}

TEST_P(Records, padding_is_taken_off) {
  RecordProtection peer = forger(first_number());
  using namespace std::string_literals;
  bare_->send(sealed(peer, "pad\x17" + std::string(1'000, '\0')));
  bare_->send(sealed(peer, "ded\x17"s));
  bare_->send(sealed(peer, "\0\0\x17\0"s));
  EXPECT_EQ(ours(), "padded\0\0"s);
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
