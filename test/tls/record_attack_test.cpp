// Records that no honest peer sends: nothing of them is believed, and the peer is told.
#include "bare_peer.h"

namespace ocsproxy {
namespace {

class RecordAttack : public Records {};

INSTANTIATE_TEST_SUITE_P(Suites, RecordAttack, testing::ValuesIn(kWays),
                         [](const auto& instance) { return instance.param.name; });

TEST_P(RecordAttack, a_bit_that_was_changed_anywhere_in_a_record_ends_the_connection) {
  const std::string text = "the genuine one";
  for (std::size_t place = 5; place < text.size() + RecordProtection::kOverhead; ++place) {
    connect();
    std::string forged = bare_->sealed(text);
    forged[place] ^= static_cast<char>(1 << place % 8);
    bare_->send(forged);
    expect_refused("decryption failed or bad record mac", SSL_AD_BAD_RECORD_MAC);
  }
}

TEST_P(RecordAttack, a_record_that_is_sent_again_ends_the_connection) {
  const std::string record = bare_->sealed("pay 1 EUR");
  bare_->send(record);
  ASSERT_EQ(ours(), "pay 1 EUR");
  bare_->send(record);
  expect_refused("decryption failed or bad record mac", SSL_AD_BAD_RECORD_MAC);
}

TEST_P(RecordAttack, records_in_the_wrong_order_end_the_connection) {
  const std::string first = bare_->sealed("first");
  const std::string second = bare_->sealed("second");
  bare_->send(second + first);
  expect_refused("decryption failed or bad record mac", SSL_AD_BAD_RECORD_MAC);
}

TEST_P(RecordAttack, a_few_empty_records_are_borne_and_many_are_not) {
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

TEST_P(RecordAttack, a_few_warnings_are_borne_and_many_in_a_row_are_not) {
  RecordProtection peer = forger(first_number());
  const std::string user_cancelled = "\x01\x5a\x15";
  for (int i = 0; i < 4; ++i) bare_->send(sealed(peer, user_cancelled));
  bare_->send(sealed(peer, "x\x17"));
  for (int i = 0; i < 4; ++i) bare_->send(sealed(peer, user_cancelled));
  EXPECT_EQ(ours(), "x");
  ASSERT_EQ(last_, IoStatus::would_block) << stream_->error().describe();
  bare_->send(sealed(peer, user_cancelled));
  expect_refused("the peer sends TLS warnings without end", SSL_AD_UNEXPECTED_MESSAGE);
}

TEST_P(RecordAttack, a_record_without_a_type_ends_the_connection) {
  RecordProtection peer = forger(first_number());
  bare_->send(sealed(peer, std::string(20, '\0')));
  EXPECT_EQ(ours(), "");
  EXPECT_EQ(last_, IoStatus::failed);
}

TEST_P(RecordAttack, a_record_of_an_unknown_type_ends_the_connection) {
  RecordProtection peer = forger(first_number());
  bare_->send(sealed(peer, "data?\x63"));
  EXPECT_EQ(ours(), "");
  EXPECT_EQ(last_, IoStatus::failed);
}

TEST_P(RecordAttack, the_longest_content_is_taken_and_a_longer_one_is_not) {
  RecordProtection peer = forger(first_number());
  const std::string longest = pattern(16'384);
  bare_->send(sealed(peer, longest + "\x17"));
  EXPECT_TRUE(same(ours(), longest));
  bare_->send(sealed(peer, longest + "y\x17"));
  EXPECT_EQ(ours(), "");
  EXPECT_EQ(last_, IoStatus::failed);
}

TEST_P(RecordAttack, a_header_that_announces_too_much_ends_the_connection_at_once) {
  bare_->send(bare_->sealed("good") + std::string("\x17\x03\x03\x41\x01", 5));
  EXPECT_EQ(ours(), "good");
  EXPECT_EQ(last_, IoStatus::failed);
}

TEST_P(RecordAttack, a_header_that_announces_too_little_ends_the_connection_at_once) {
  bare_->send(bare_->sealed("good") + std::string("\x17\x03\x03\x00\x03", 5));
  EXPECT_EQ(ours(), "good");
  EXPECT_EQ(last_, IoStatus::failed);
}

TEST_P(RecordAttack, nothing_is_written_after_a_fatal_alert) {
  bare_->send(bare_->sealed("request") + std::string(30, 'x'));
  EXPECT_EQ(ours(), "request");
  IoStatus status = IoStatus::ok;
  Task<> task = write_ours(stream_.get(), "answer", "", &status);
  task.start();
  ASSERT_TRUE(task.done());
  EXPECT_EQ(status, IoStatus::failed);
  EXPECT_EQ(bare_->read(), "");
}

// ---- handshake messages behind the handshake

TEST_P(RecordAttack, a_key_update_in_pieces_is_put_together) {
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

TEST_P(RecordAttack, handshake_messages_that_have_no_place_end_the_connection) {
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

TEST_P(RecordAttack, keys_that_are_updated_without_end_end_the_connection) {
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

TEST_P(RecordAttack, a_question_for_new_keys_after_our_end_is_not_answered) {
  stream_->finish_writing();
  ASSERT_EQ(SSL_key_update(bare_->ssl(), SSL_KEY_UPDATE_REQUESTED), 1);
  bare_->send(bare_->sealed("still to come"));
  stream_->finish_writing();
  EXPECT_EQ(ours(), "still to come");
  EXPECT_EQ(last_, IoStatus::would_block) << stream_->error().describe();
}

TEST_P(RecordAttack, a_record_in_the_clear_ends_the_connection) {
  bare_->send(std::string_view("\x15\x03\x03\x00\x02\x01\x00", 7));  // close_notify, says anybody
  EXPECT_EQ(ours(), "");
  EXPECT_EQ(last_, IoStatus::failed);
}

TEST_P(RecordAttack, a_fatal_alert_is_the_reason_of_the_failure) {
  RecordProtection peer = forger(first_number());
  bare_->send(sealed(peer, "\x02\x50\x15"));  // internal_error
  EXPECT_EQ(ours(), "");
  EXPECT_EQ(last_, IoStatus::failed);
  EXPECT_EQ(stream_->error().detail, "the peer ended TLS with the alert \"internal error\"");
}

}  // namespace
}  // namespace ocsproxy
