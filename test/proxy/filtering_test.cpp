// The beginning of a body as a filter gets to see it, however it arrives: the data alone, in order,
// and nothing of what follows the body.
#include "proxy/filtering.h"

#include <algorithm>
#include <array>
#include <random>
#include <string>

#include <gtest/gtest.h>

namespace ocsproxy {
namespace {

constexpr std::string_view kNext = "GET /next HTTP/1.1\r\n";

std::string in_chunks(std::string_view data, std::mt19937& random, std::size_t longest) {
  std::string text;
  while (!data.empty()) {
    const std::size_t size = std::min<std::size_t>(1 + random() % longest, data.size());
    char line[32];
    std::snprintf(line, sizeof line, random() % 2 == 0 ? "%zx" : "%04zX", size);
    text.append(line).append(random() % 8 == 0 ? ";ext=\"a;b\"" : "").append("\r\n");
    text.append(data.substr(0, size)).append("\r\n");
    data.remove_prefix(size);
  }
  return text + (random() % 4 == 0 ? "0\r\nX-Sum: 1\r\n\r\n" : "0\r\n\r\n");
}

// A window into which a message arrives piece by piece.
class Arrival {
 public:
  explicit Arrival(std::string_view message) : message_(message) {
    window_ = {buffer_.data(), 0, buffer_.size(), kBegin, kBegin};
  }

  // At most `size` bytes, and what `start` wants of them. False: it wants no more.
  bool receive(const BodyStart& start, std::size_t size) {
    size = std::min({size, start.wanted(window_), message_.size() - at_});
    std::copy_n(message_.data() + at_, size, window_.data + window_.end);
    window_.end += size;
    at_ += size;
    return size != 0;
  }
  const Window& window() const { return window_; }

 private:
  static constexpr std::size_t kBegin = 100;
  std::array<char, 20'000> buffer_{};
  std::string_view message_;
  std::size_t at_ = 0;
  Window window_;
};

struct Seen {
  std::string data;
  bool ended = false;
};

// All that can be seen of `message`, which arrives in pieces of what `size` says.
Seen see(BodyKind kind, std::uint64_t length, std::string_view message, std::size_t room,
         const auto& size) {
  std::string space(room, '\0');
  BodyStart start(kind, length, Side::client, space);
  Arrival arrival(message);
  start.look(arrival.window());
  while (!start.ended() && start.data().size() < room && arrival.receive(start, size())) {
    start.look(arrival.window());
  }
  return {std::string(start.data().substr(0, room)), start.ended()};
}

TEST(BodyStart, OfAKnownLengthIsSeenAtEverySplitAndEndsWhereItDoes) {
  const std::string body = "0123456789";
  const std::string message = body + std::string(kNext);
  for (std::size_t first = 1; first <= message.size(); ++first) {
    std::size_t calls = 0;
    const auto size = [&] { return calls++ == 0 ? first : message.size(); };
    const Seen seen = see(BodyKind::length, body.size(), message, 100, size);
    EXPECT_EQ(seen.data, body) << first;
    EXPECT_TRUE(seen.ended) << first;
  }
}

TEST(BodyStart, ThatEndsByClosingEndsWhenItIsTold) {
  std::string none;
  BodyStart start(BodyKind::until_close, 0, Side::upstream, none);
  Arrival arrival("abc");
  ASSERT_TRUE(arrival.receive(start, 10));
  start.look(arrival.window());
  EXPECT_EQ(start.data(), "abc");
  EXPECT_FALSE(start.ended());
  start.end();
  EXPECT_TRUE(start.ended());
}

// The oracle is the body before it was put into chunks.
TEST(BodyStart, InChunksIsTheDataHoweverItIsCutUpAndSplit) {
  std::mt19937 random(2006);
  for (int round = 0; round < 400; ++round) {
    std::string body;
    for (std::size_t i = random() % 60; i > 0; --i) body += static_cast<char>(random() % 256);
    const std::string message = in_chunks(body, random, 1 + random() % 12) + std::string(kNext);
    const std::size_t room = 1 + random() % 80;
    for (std::size_t split = 1; split < message.size(); ++split) {
      std::size_t calls = 0;
      const auto size = [&] { return calls++ == 0 ? split : message.size(); };
      const Seen seen = see(BodyKind::chunked, 0, message, room, size);
      ASSERT_EQ(seen.data, body.substr(0, room)) << split << " of " << message;
      if (body.size() < room) {
        ASSERT_TRUE(seen.ended) << split << " of " << message;
      }
    }
    const Seen bytewise = see(BodyKind::chunked, 0, message, room, [] { return std::size_t{1}; });
    ASSERT_EQ(bytewise.data, body.substr(0, room)) << message;
  }
}

TEST(BodyStart, ThatIsNoChunkedCodingEndsWithARefusal) {
  std::string room(100, '\0');
  BodyStart start(BodyKind::chunked, 0, Side::client, room);
  Arrival arrival("3\r\nabc\r\nxyz\r\n");
  ASSERT_TRUE(arrival.receive(start, 8));
  start.look(arrival.window());
  EXPECT_FALSE(start.ended());
  EXPECT_FALSE(start.refusal());
  ASSERT_TRUE(arrival.receive(start, 100));
  start.look(arrival.window());
  EXPECT_TRUE(start.ended());
  EXPECT_EQ(start.refusal().status, 400);
}

TEST(BodyStart, WantsNothingThatHasNoPlace) {
  std::array<char, 50> buffer{};
  std::string none;
  const BodyStart start(BodyKind::until_close, 0, Side::upstream, none);
  EXPECT_EQ(start.wanted({buffer.data(), 0, buffer.size(), 10, 20}), 28U);
  EXPECT_EQ(start.wanted({buffer.data(), 0, buffer.size(), 10, 48}), 0U);
  EXPECT_EQ(start.wanted({buffer.data(), 0, buffer.size(), 10, 50}), 0U);
}

struct StatusRow {
  rules::FilterCheck check;
  int status;
};

TEST(FilterFailure, HasTheStatusOfWhatIsWrongAndIsaServersCode) {
  using rules::FilterCheck;
  for (const auto& [check, status] :
       {StatusRow{FilterCheck::header_length, 431}, StatusRow{FilterCheck::url_length, 414},
        StatusRow{FilterCheck::query_length, 414}, StatusRow{FilterCheck::payload_length, 413},
        StatusRow{FilterCheck::normalization, 403}, StatusRow{FilterCheck::high_bit, 403},
        StatusRow{FilterCheck::method, 405}, StatusRow{FilterCheck::extension, 403},
        StatusRow{FilterCheck::request_header, 403}, StatusRow{FilterCheck::signature, 403},
        StatusRow{FilterCheck::executable, 403}, StatusRow{FilterCheck::unseen_body, 403}}) {
    const Failure failure = filter_failure(check);
    EXPECT_EQ(failure.status, status) << rules::to_string(check);
    EXPECT_EQ(failure.code, 12217U);
    EXPECT_FALSE(failure.reason.empty());
  }
}

}  // namespace
}  // namespace ocsproxy
