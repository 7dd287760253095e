#include "listeners/message_channel.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "scratch.h"

namespace ocsproxy {
namespace {

using namespace std::chrono_literals;

std::size_t open_descriptors() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    ++count;
  }
  return count;
}

class Channel : public testing::Test {
 protected:
  Channel() {
    auto ends = MessageChannel::pair();
    ours_ = MessageChannel(std::move(ends->first), MessageChannel::Descriptors::refuse);
    theirs_ = MessageChannel(std::move(ends->second), MessageChannel::Descriptors::accept);
  }
  // What a peer that does as it likes would send.
  static void send_raw(const MessageChannel& from, const std::string& bytes) {
    ASSERT_EQ(::send(from.descriptor(), bytes.data(), bytes.size(), 0),
              static_cast<ssize_t>(bytes.size()));
  }

  MessageChannel ours_;
  MessageChannel theirs_;
};

TEST_F(Channel, has_nothing_to_give_until_something_was_sent) {
  const auto message = theirs_.receive();
  ASSERT_TRUE(message);
  EXPECT_FALSE(*message);
}

TEST_F(Channel, keeps_messages_apart_and_in_order) {
  ASSERT_TRUE(ours_.send(MessageType::refused, "first", {}, 1s));
  ASSERT_TRUE(ours_.send(MessageType::drain, {}, {}, 1s));
  const auto first = theirs_.receive();
  ASSERT_TRUE(first && *first);
  EXPECT_EQ((*first)->type, MessageType::refused);
  EXPECT_EQ((*first)->text, "first");
  const auto second = theirs_.receive();
  ASSERT_TRUE(second && *second);
  EXPECT_EQ((*second)->type, MessageType::drain);
}

TEST_F(Channel, cuts_a_text_that_is_too_long) {
  ASSERT_TRUE(ours_.send(MessageType::refused, std::string(100'000, 'x'), {}, 1s));
  const auto message = theirs_.receive();
  ASSERT_TRUE(message && *message);
  EXPECT_EQ((*message)->text, std::string(MessageChannel::kLongestText, 'x'));
}

TEST_F(Channel, carries_more_descriptors_than_a_packet_may) {
  const std::size_t count = 2 * MessageChannel::kDescriptorsAPacket + 1;
  std::vector<Descriptor> sent;
  std::vector<int> numbers;
  for (std::size_t i = 0; i < count; ++i) {
    sent.emplace_back(::memfd_create("test", MFD_CLOEXEC));
    ASSERT_EQ(::ftruncate(sent.back().get(), static_cast<off_t>(i)), 0);
    numbers.push_back(sent.back().get());
  }
  ASSERT_TRUE(ours_.send(MessageType::bundle, "text", numbers, 1s));
  sent.clear();
  const auto message = theirs_.receive();
  ASSERT_TRUE(message && *message);
  EXPECT_EQ((*message)->text, "text");
  ASSERT_EQ((*message)->descriptors.size(), count);
  for (std::size_t i = 0; i < count; ++i) {
    struct stat info {};
    ASSERT_EQ(::fstat((*message)->descriptors[i].get(), &info), 0);
    EXPECT_EQ(info.st_size, static_cast<off_t>(i));
    EXPECT_NE(::fcntl((*message)->descriptors[i].get(), F_GETFD) & FD_CLOEXEC, 0);
  }
}

TEST_F(Channel, says_that_the_peer_is_gone) {
  theirs_ = {};
  const auto message = ours_.receive();
  ASSERT_FALSE(message);
  EXPECT_EQ(message.error().kind, ErrorKind::closed);
  const auto sent = ours_.send(MessageType::drain, {}, {}, 1s);
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().kind, ErrorKind::closed);
}

TEST_F(Channel, does_not_wait_for_ever_for_a_peer_that_does_not_read) {
  const std::string text(MessageChannel::kLongestText, 'x');
  Status sent = Done{};
  for (int i = 0; sent && i < 10'000; ++i) sent = ours_.send(MessageType::refused, text, {}, 10ms);
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().kind, ErrorKind::timeout);
}

TEST_F(Channel, takes_no_descriptor_from_a_peer_it_does_not_trust) {
  const Descriptor file(::memfd_create("test", MFD_CLOEXEC));
  const int number = file.get();
  const std::size_t before = open_descriptors();
  ASSERT_TRUE(theirs_.send(MessageType::accepted, {}, {&number, 1}, 1s));
  const auto message = ours_.receive();
  ASSERT_FALSE(message);
  EXPECT_EQ(message.error().kind, ErrorKind::malformed);
  EXPECT_EQ(open_descriptors(), before);
}

struct BadPackets {
  const char* situation;
  std::vector<std::string> packets;
};
class ChannelForm : public Channel, public testing::WithParamInterface<BadPackets> {};

TEST_P(ChannelForm, must_be_kept_by_the_peer) {
  for (const std::string& packet : GetParam().packets) send_raw(theirs_, packet);
  const auto message = ours_.receive();
  ASSERT_FALSE(message);
  EXPECT_EQ(message.error().kind, ErrorKind::malformed);
}

INSTANTIATE_TEST_SUITE_P(
    , ChannelForm,
    testing::Values(BadPackets{"too_short", {"\x05"}},
                    BadPackets{"too_long",
                               {std::string(2 + MessageChannel::kLongestText + 1, 'x')}},
                    BadPackets{"another_message_inside",
                               {std::string("\x05\x01", 2), std::string("\x06\x00", 2)}},
                    BadPackets{"text_in_a_later_packet",
                               {std::string("\x05\x01", 2), std::string("\x05\x00x", 3)}}),
    [](const auto& row) { return row.param.situation; });

TEST_F(Channel, carries_a_load) {
  LoadBundle bundle;
  bundle.contents["a"] = "b";
  bundle.access_log.reset(::memfd_create("test", MFD_CLOEXEC));
  const auto encoded = encode(std::move(bundle));
  ASSERT_TRUE(encoded);
  ASSERT_TRUE(send_bundle(ours_, *encoded, 1s));
  auto message = theirs_.receive();
  ASSERT_TRUE(message && *message);
  auto arrived = bundle_of(std::move(**message));
  ASSERT_TRUE(arrived);
  const auto decoded = decode(*std::move(arrived));
  ASSERT_TRUE(decoded) << decoded.error().detail;
  EXPECT_EQ(decoded->contents.at("a"), "b");
  EXPECT_TRUE(decoded->access_log);
}

TEST_F(Channel, other_messages_are_no_load) {
  EXPECT_FALSE(bundle_of(Message{.type = MessageType::drain, .text = {}, .descriptors = {}}));
  EXPECT_FALSE(bundle_of(Message{.type = MessageType::bundle, .text = {}, .descriptors = {}}));
}

}  // namespace
}  // namespace ocsproxy
