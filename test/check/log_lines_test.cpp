#include "check/log_lines.h"

#include <cstring>
#include <random>

namespace ocsproxy {
namespace {

using State = LogLines::Line::State;

struct Got {
  State state;
  std::string text;  // "" when too long
  std::uint64_t number;

  friend bool operator==(const Got&, const Got&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Got& got) {
    return out << got.number << ' ' << static_cast<int>(got.state) << " \"" << got.text << '"';
  }
};

// Reads it in pieces of random sizes.
std::vector<Got> lines_of(const std::string& log, std::size_t largest_piece, unsigned seed) {
  std::mt19937 random(seed);
  std::size_t at = 0;
  LogLines lines([&](std::span<char> into) -> Result<std::size_t> {
    const std::size_t piece = 1 + random() % largest_piece;
    const std::size_t size = std::min({log.size() - at, into.size(), piece});
    std::memcpy(into.data(), log.data() + at, size);
    at += size;
    return size;
  });
  lines.beginning();
  std::vector<Got> got;
  while (const auto line = lines.next()) {
    const bool usable = line->state != State::too_long;
    got.push_back({line->state, std::string(usable ? line->text : ""), line->number});
  }
  EXPECT_EQ(lines.bytes(), log.size());
  EXPECT_EQ(lines.error(), nullptr);
  return got;
}

// Slow and obvious.
std::vector<Got> oracle(std::string log) {
  if (log.starts_with("\xef\xbb\xbf")) log.erase(0, 3);
  std::vector<Got> lines;
  while (!log.empty()) {
    const std::size_t end = log.find('\n');
    std::string text = log.substr(0, end);
    State state = end == std::string::npos ? State::cut_off : State::whole;
    if (text.size() > LogLines::kMaxLine) {
      state = State::too_long;
      text.clear();
    }
    if (state == State::whole && text.ends_with('\r')) text.pop_back();
    lines.push_back({state, text, lines.size() + 1});
    log.erase(0, end == std::string::npos ? end : end + 1);
  }
  return lines;
}

TEST(LogLines, EachEndOfALineIsSeenWhereverAPieceEnds) {
  const struct {
    std::string_view beginning;
    std::size_t more_bytes;
    std::string_view end;
  } kTable[] = {
      {"", 0, ""},
      {"\n", 0, ""},
      {"one\n", 0, ""},
      {"one", 0, ""},
      {"one\r\ntwo\r\n\r\n", 0, ""},
      {"one\n\ntwo\r", 0, ""},
      {"\xef\xbb\xbf#Fields: a\n", 0, ""},
      {"\xef\xbb", 0, ""},
      {"", LogLines::kMaxLine, "\nnext\n"},
      {"", LogLines::kMaxLine + 1, "\nnext\n"},
      {"", 1'000'000, "\nnext\n"},
      {"first\n", 1'000'000, ""},
  };
  for (const auto& row : kTable) {
    std::string log(row.beginning);
    log.append(row.more_bytes, 'x').append(row.end);
    for (const std::size_t piece : {1UL, 3UL, 1000UL, 300'000UL}) {
      if (log.size() / piece > 100'000) continue;
      EXPECT_EQ(lines_of(log, piece, 1), oracle(log)) << log.substr(0, 100) << " by " << piece;
    }
  }
}

TEST(LogLines, RandomLogsAreReadAsTheOracleReadsThem) {
  std::mt19937 random(7);
  for (unsigned round = 0; round < 300; ++round) {
    std::string log;
    const unsigned count = random() % 60;
    for (unsigned i = 0; i < count; ++i) {
      const bool huge = random() % 20 == 0;
      log.append(random() % (huge ? 200'000U : 300U), static_cast<char>('a' + random() % 26));
      log += random() % 3 == 0 ? "\r\n" : "\n";
    }
    if (random() % 2 == 0) log += "cut";
    ASSERT_EQ(lines_of(log, 1 + random() % 100'000, round), oracle(log)) << "round " << round;
  }
}

TEST(LogLines, AFailedReadEndsTheLogWithItsError) {
  bool first = true;
  LogLines lines([&](std::span<char> into) -> Result<std::size_t> {
    if (!std::exchange(first, false)) return Error{.detail = "the disk is gone"};
    std::memcpy(into.data(), "one\ntw", 6);
    return std::size_t{6};
  });
  EXPECT_EQ(lines.next()->text, "one");
  EXPECT_FALSE(lines.next());
  ASSERT_NE(lines.error(), nullptr);
  EXPECT_EQ(lines.error()->detail, "the disk is gone");
}

}  // namespace
}  // namespace ocsproxy
