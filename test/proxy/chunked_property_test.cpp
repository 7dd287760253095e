// ChunkedDecoder against the obvious reader: every message, however it is cut, gives the same data,
// the same verdict and an output that is a valid coding of that data.
#include "test/proxy/chunked_property.h"

#include <random>

namespace ocsproxy::test {
namespace {

std::string random_chunk(std::mt19937& random) {
  static const std::vector<std::string> extensions = {
      "",  "",  "",   "",           ";a", ";a=b", " ; a = \"q\\\"\t;\"", ";a=b;c=\"d e\"",
      ";", " ", ";=", ";a=\"\r\n\""};
  const std::size_t size = random() % 20 + (random() % 8 == 0 ? 300 : 0);
  std::string data;
  for (std::size_t i = 0; i < size; ++i) data += "ab\r\n0;\x01\xff"[random() % 8];
  char digits[32];
  std::snprintf(digits, sizeof digits, random() % 4 == 0 ? "%04zX" : "%zx",
                std::max<std::size_t>(size, 1));
  if (size == 0) data = "z";
  return digits + extensions[random() % extensions.size()] + "\r\n" + data + "\r\n";
}

std::string random_message(std::mt19937& random) {
  static const std::vector<std::string> ends = {
      "0\r\n\r\n",
      "0\r\n\r\n",
      "000\r\n\r\n",
      "0;e=f\r\n\r\n",
      "0\r\nX-T: 1\r\n\r\n",
      "0\r\nContent-Length: 9\r\nX-T:\t2 \r\nHost: x\r\nX-U: 3\r\n\r\n",
      "0\r\nX-T : 1\r\n\r\n",
      "0\r\nno colon\r\n\r\n",
      "0\r\nX_T: 1\r\n\r\n",
      "0\r\n",
      "0\r\nX-T: 1\n\r\n\r\n"};
  std::string message;
  for (std::size_t chunks = random() % 12; chunks > 0; --chunks) message += random_chunk(random);
  message += ends[random() % ends.size()];
  if (random() % 3 == 0 && !message.empty()) {
    static constexpr std::string_view kBytes("\r\n0 5;x\0\x7f\"", 10);
    message[random() % message.size()] = kBytes[random() % kBytes.size()];
  }
  if (random() % 5 == 0) message.resize(random() % (message.size() + 1));
  return message + (random() % 2 == 0 ? "GET / HTTP/1.1\r\n" : "");
}

TEST(ChunkedProperty, EveryCutOfEachMessageGivesWhatTheWholeGives) {
  const std::vector<std::string> messages = {
      "0\r\n\r\nGET",
      "5\r\nhello\r\n0\r\n\r\nGET",
      "1a\r\nabcdefghijklmnopqrstuvwxyz\r\n00005;a=b\r\nhello\r\n0\r\n\r\n",
      "5;a=b;c=\"d e\"\r\nhello\r\n1\r\nx\r\n0;z\r\n\r\nGET",
      "5\r\nhello\r\n0\r\nX-T: 1\r\nContent-Length: 4\r\nX-U:2\r\n\r\nGET",
      "1\r\na\r\n1\r\nb\r\n1\r\nc\r\n1\r\nd\r\n1\r\ne\r\n1\r\nf\r\n1\r\ng\r\n1\r\nh\r\n1\r\ni\r\n0"
      "\r\n\r\n",
      "5\r\nhelloXX0\r\n\r\n",
      "5\r\nhello\r\n0\r\nX : 1\r\n\r\n",
      "2;\nxx\r\n37\r\n0\r\n\r\n",
      "100000005\r\nhello\r\n0\r\n\r\n",
  };
  for (const std::string& message : messages) {
    for (std::size_t first = 1; first <= message.size(); ++first) {
      for (std::size_t second = 1; first + second <= message.size(); ++second) {
        ASSERT_EQ(chunked_violation(message, {first, second}), "")
            << message << " cut at " << first << " and " << first + second;
      }
    }
    ASSERT_EQ(chunked_violation(message, std::vector<std::size_t>(message.size(), 1)), "")
        << message << " byte by byte";
  }
}

TEST(ChunkedProperty, RandomMessagesInRandomPartsGiveWhatTheObviousReaderGives) {
  std::mt19937 random(20260101);
  for (int round = 0; round < 3000; ++round) {
    const std::string message = random_message(random);
    for (int split = 0; split < 9; ++split) {
      std::vector<std::size_t> parts;  // none of them at first: the whole
      for (std::size_t sum = 0; split > 0 && sum < message.size(); sum += parts.back()) {
        parts.push_back(1 + random() % (split < 5 ? 7 : 60));
      }
      ASSERT_EQ(chunked_violation(message, parts), "")
          << "round " << round << ": " << testing::PrintToString(message);
    }
  }
}

}  // namespace
}  // namespace ocsproxy::test
