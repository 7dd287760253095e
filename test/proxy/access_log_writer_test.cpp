#include "proxy/access_log_writer.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include <nlohmann/json.hpp>

#include "base/text.h"
#include "base/units.h"

namespace ocsproxy {
namespace {

using Format = AccessLogWriter::Format;
using namespace std::chrono_literals;

// A folder of the test's own.
class AccessLogWriterTest : public testing::Test {
 protected:
  AccessLogWriterTest() {
    std::string name = (std::filesystem::temp_directory_path() / "access-log-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~AccessLogWriterTest() override { std::filesystem::remove_all(folder_); }

  Descriptor open(const std::string& name) const {
    return Descriptor(::open((folder_ / name).c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
                             0600));  // NOLINT
  }
  std::vector<std::string> lines_in(const std::string& name) const {
    std::ifstream file(folder_ / name);
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);) {
      EXPECT_FALSE(file.eof()) << "an end without a line end: " << line;
      lines.push_back(line);
    }
    return lines;
  }

  std::filesystem::path folder_;
};

// What the administrator is told, from any thread.
class Reports {
 public:
  AccessLogWriter::Report callback() {
    return [this](LogLevel level, std::string_view text) {
      const std::lock_guard lock(mutex_);
      texts_.emplace_back((level == LogLevel::error ? "error " : "") + std::string(text));
      changed_.notify_all();
    };
  }
  void wait_for(std::string_view part) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return count(part) != 0; });
  }
  bool has(std::string_view part) {
    const std::lock_guard lock(mutex_);
    return count(part) != 0;
  }
  std::vector<std::string> all() {
    const std::lock_guard lock(mutex_);
    return texts_;
  }

 private:
  std::ptrdiff_t count(std::string_view part) const {
    return std::count_if(texts_.begin(), texts_.end(),
                         [&](const auto& text) { return text.find(part) != std::string::npos; });
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> texts_;
};

// "worker number filling": a line that tells whether it is whole and where it belongs.
std::string make_line(std::size_t worker, std::size_t number, std::size_t filling) {
  return std::to_string(worker) + " " + std::to_string(number) + " " +
         std::string(filling, static_cast<char>('a' + number % 26)) + "\n";
}

struct Contents {
  std::vector<std::vector<std::uint64_t>> numbers;  // by worker, in the order of the file
  std::uint64_t lines = 0;
  std::uint64_t lost = 0;  // as the remarks say
  std::size_t headers = 0;
};

Contents read(const std::vector<std::string>& lines, std::size_t workers) {
  Contents contents;
  contents.numbers.resize(workers);
  for (const std::string& line : lines) {
    if (line.starts_with("#Remark: ")) {
      contents.lost += std::stoull(line.substr(9));
    } else if (line.starts_with('#')) {
      contents.headers += line.starts_with("#Fields") ? 1 : 0;
    } else {
      std::istringstream words(line);
      std::size_t worker = workers;
      std::uint64_t number = 0;
      std::string filling;
      words >> worker >> number >> filling;
      if (worker >= workers || line + "\n" != make_line(worker, number, filling.size())) {
        ADD_FAILURE() << "torn: " << line;
        continue;
      }
      contents.numbers[worker].push_back(number);
      ++contents.lines;
    }
  }
  for (const auto& numbers : contents.numbers) {
    EXPECT_TRUE(std::is_sorted(numbers.begin(), numbers.end()));
    EXPECT_EQ(std::adjacent_find(numbers.begin(), numbers.end()), numbers.end()) << "twice";
  }
  return contents;
}

// ---- the ring

TEST(AccessLogRing, TakesLinesUpToItsLastByteAndCountsTheRest) {
  AccessLogRing ring(16, Format::w3c);
  EXPECT_TRUE(ring.push("1234567\n"));
  EXPECT_TRUE(ring.push("abcdefg\n"));
  EXPECT_FALSE(ring.push("\n"));
  EXPECT_EQ(ring.lost(), 1U);
  EXPECT_EQ(ring.queued(0).first, "1234567\nabcdefg\n");
  EXPECT_EQ(ring.queued(3).first, "4567\nabcdefg\n");
  ring.release(8);
  EXPECT_TRUE(ring.push("x\n"));
  EXPECT_EQ(ring.queued(0).first, "abcdefg\n");
  EXPECT_EQ(ring.queued(0).second, "x\n");
}

TEST(AccessLogRing, ALineLongerThanTheRingIsLostAndNothingElse) {
  AccessLogRing ring(16, Format::w3c);
  EXPECT_FALSE(ring.push("0123456789abcdef\n"));
  EXPECT_TRUE(ring.push("ok\n"));
  EXPECT_EQ(ring.queued(0).first, "ok\n");
}

TEST(AccessLogRing, LinesAreWholeWhereverTheyMeetItsEnd) {
  AccessLogRing ring(64, Format::w3c);
  for (std::size_t number = 0; number < 200; ++number) {
    const std::string line = make_line(0, number, number % 40);
    ASSERT_TRUE(ring.push(line));
    const AccessLogRing::Queued queued = ring.queued(0);
    EXPECT_EQ(std::string(queued.first) + std::string(queued.second), line);
    ring.release(queued.size());
  }
}

// ---- the ordinary day

TEST_F(AccessLogWriterTest, EverythingQueuedIsWrittenBeforeItStops) {
  constexpr std::size_t kLines = 5'000;
  Reports reports;
  AccessLogWriter writer(open("a.log"), Format::w3c, 1, reports.callback());
  for (std::size_t i = 0; i < kLines; ++i) {
    ASSERT_TRUE(writer.ring(0).push(make_line(0, i, i % 300)));
  }
  writer.stop();
  const Contents contents = read(lines_in("a.log"), 1);
  EXPECT_EQ(contents.lines, kLines);
  EXPECT_EQ(contents.headers, 1U);
  EXPECT_EQ(writer.lost(), 0U);
  EXPECT_TRUE(reports.all().empty());
}

TEST_F(AccessLogWriterTest, ManyWorkersWriteAtOnceAndEachKeepsItsOrder) {
  constexpr std::size_t kWorkers = 4;
  constexpr std::size_t kLines = 20'000;
  Reports reports;
  AccessLogWriter writer(open("a.log"), Format::w3c, kWorkers, reports.callback(),
                         std::size_t{64} * 1024);
  std::vector<std::thread> workers;
  for (std::size_t worker = 0; worker < kWorkers; ++worker) {
    workers.emplace_back([&writer, worker] {
      for (std::size_t i = 0; i < kLines; ++i) {
        writer.ring(worker).push(make_line(worker, i, (i * 7 + worker) % 200));
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  writer.stop();
  const Contents contents = read(lines_in("a.log"), kWorkers);
  EXPECT_EQ(contents.lines + writer.lost(), kWorkers * kLines);
  EXPECT_EQ(contents.lost, writer.lost()) << "what was lost, and what the log says of it";
  EXPECT_GT(contents.lines, 0U);
}

TEST_F(AccessLogWriterTest, AnExchangeIsALineInTheFormatOfTheFile) {
  AccessRecord record;
  record.method = "GET";
  for (const Format format : {Format::w3c, Format::json}) {
    const std::string name = format == Format::json ? "json.log" : "w3c.log";
    Reports reports;
    AccessLogWriter writer(open(name), format, 1, reports.callback());
    log_exchange(writer.ring(0), record);
    writer.stop();
    const auto lines = lines_in(name);
    ASSERT_FALSE(lines.empty());
    EXPECT_EQ(lines.back().starts_with('{'), format == Format::json);
    EXPECT_EQ(lines.size(), format == Format::json ? 1U : 5U);
  }
}

// ---- a new file

TEST_F(AccessLogWriterTest, AfterReopeningTheNewFileBeginsWithAHeaderAndNoLineIsTornOrLost) {
  constexpr std::size_t kLines = 30'000;
  constexpr std::size_t kFiles = 5;
  Reports reports;
  AccessLogWriter writer(open("0.log"), Format::w3c, 1, reports.callback());
  std::thread worker([&writer] {
    for (std::size_t i = 0; i < kLines; ++i) {
      while (!writer.ring(0).push(make_line(0, i, 60))) std::this_thread::yield();
    }
  });
  for (std::size_t file = 1; file < kFiles; ++file) {
    writer.reopen(open(std::to_string(file) + ".log"), Format::w3c);
  }
  worker.join();
  writer.stop();
  std::vector<std::string> all;
  for (std::size_t file = 0; file < kFiles; ++file) {
    const auto lines = lines_in(std::to_string(file) + ".log");
    EXPECT_TRUE(lines.empty() || lines.front().starts_with("#Software")) << file;
    for (const std::string& line : lines) {
      if (!line.starts_with("#Remark")) all.push_back(line);  // full rings were tried again
    }
  }
  EXPECT_FALSE(lines_in("4.log").empty());
  EXPECT_EQ(read(all, 1).lines, kLines);
}

TEST_F(AccessLogWriterTest, TheFormatFollowsTheFile) {
  Reports reports;
  AccessLogWriter writer(open("a.log"), Format::w3c, 1, reports.callback());
  writer.reopen(open("b.log"), Format::json);
  while (writer.ring(0).format() != Format::json) std::this_thread::yield();
  log_exchange(writer.ring(0), AccessRecord());
  writer.stop();
  const auto lines = lines_in("b.log");
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_TRUE(nlohmann::json::parse(lines[0]).contains("client_ip"));
}

// ---- slow and broken files

class Pipe {
 public:
  Pipe() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    reader_.reset(ends[0]);
    writer_.reset(ends[1]);
    EXPECT_GT(::fcntl(writer_.get(), F_SETPIPE_SZ, 4096), 0);  // NOLINT
  }
  Descriptor take_writer() { return std::move(writer_); }
  void close_reader() { reader_.reset(); }
  // Until the writer has closed its end.
  std::string read_all() {
    std::string text;
    std::array<char, 700> part;
    ssize_t got = 0;
    while ((got = ::read(reader_.get(), part.data(), part.size())) > 0) {
      text.append(part.data(), static_cast<std::size_t>(got));
    }
    return text;
  }

 private:
  Descriptor reader_;
  Descriptor writer_;
};

std::vector<std::string> split_lines(const std::string& text) {
  EXPECT_TRUE(text.empty() || text.ends_with('\n'));
  std::istringstream stream(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

TEST_F(AccessLogWriterTest, ASlowReaderCostsLinesButNoneIsTornOrLostInSilence) {
  constexpr std::size_t kWorkers = 2;
  constexpr std::size_t kLines = 20'000;
  Pipe pipe;
  Reports reports;
  auto writer = std::make_unique<AccessLogWriter>(pipe.take_writer(), Format::w3c, kWorkers,
                                                  reports.callback(), std::size_t{16} * 1024);
  std::string text;
  std::thread reader([&] { text = pipe.read_all(); });
  std::vector<std::thread> workers;
  for (std::size_t worker = 0; worker < kWorkers; ++worker) {
    workers.emplace_back([&writer, worker] {
      for (std::size_t i = 0; i < kLines; ++i) {
        writer->ring(worker).push(make_line(worker, i, i % 5'000));  // some above PIPE_BUF
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  writer->stop(60s);
  const std::uint64_t lost = writer->lost();
  writer.reset();
  reader.join();

  const Contents contents = read(split_lines(text), kWorkers);
  EXPECT_GT(lost, 0U) << "the pipe was meant to be too slow";
  EXPECT_EQ(contents.lines + lost, kWorkers * kLines);
  EXPECT_EQ(contents.lost, lost);
  const auto told = reports.all();
  EXPECT_EQ(told.size(), 2U) << "once an episode: its begin and its end";
  EXPECT_EQ(told.back(), "access log: " + std::to_string(lost) + " lines lost");
}

TEST_F(AccessLogWriterTest, AReaderThatHasStoppedDoesNotStopUs) {
  constexpr std::size_t kLines = 40;
  Pipe pipe;
  Reports reports;
  AccessLogWriter writer(pipe.take_writer(), Format::json, 1, reports.callback());
  for (std::size_t i = 0; i < kLines; ++i) writer.ring(0).push(make_line(0, i, 1'000));
  const auto before = std::chrono::steady_clock::now();
  writer.stop(200ms);
  EXPECT_LT(std::chrono::steady_clock::now() - before, 20s);
  const std::string text = pipe.read_all();
  const auto whole = static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n'));
  EXPECT_GT(whole, 0U);
  EXPECT_EQ(whole + writer.lost(), kLines);
  EXPECT_EQ(reports.all(),
            std::vector<std::string>{"error access log: " + std::to_string(writer.lost()) +
                                     " lines could not be written before the end"});
}

TEST_F(AccessLogWriterTest, ALineThatIsHalfWrittenGoesToTheNextFileWhole) {
  Pipe pipe;
  Reports reports;
  AccessLogWriter writer(pipe.take_writer(), Format::json, 1, reports.callback());
  for (std::size_t i = 0; i < 3; ++i) writer.ring(0).push(make_line(0, i, 3'000));
  // The pipe takes the first and a part of the second; nobody reads.
  writer.reopen(open("b.log"), Format::json);
  writer.stop();
  const auto lines = lines_in("b.log");
  EXPECT_EQ(read(lines, 1).lines, lines.size());
  ASSERT_FALSE(lines.empty());
  EXPECT_TRUE(lines.back().starts_with("0 2 "));
  EXPECT_EQ(writer.lost(), 0U);
}

TEST_F(AccessLogWriterTest, AReaderThatHasGoneIsToldOnceAndTheNextFileGetsTheLines) {
  Pipe pipe;
  pipe.close_reader();
  Reports reports;
  AccessLogWriter writer(pipe.take_writer(), Format::json, 1, reports.callback());
  for (std::size_t i = 0; i < 10; ++i) writer.ring(0).push(make_line(0, i, 10));
  reports.wait_for("Broken pipe");
  writer.reopen(open("b.log"), Format::json);
  writer.stop();
  EXPECT_EQ(read(lines_in("b.log"), 1).lines, 10U);
  const auto told = reports.all();
  ASSERT_EQ(told.size(), 2U);
  EXPECT_EQ(told[0],
            "error access log: cannot write: Broken pipe; lines wait in memory, and are lost when "
            "that is full");
  EXPECT_EQ(told[1], "access log: it can be written again");
}

TEST_F(AccessLogWriterTest, ADiskThatStaysFullLosesLinesAndSaysHowMany) {
  constexpr std::size_t kLines = 100;
  Reports reports;
  Descriptor full(::open("/dev/full", O_WRONLY | O_CLOEXEC));  // NOLINT
  ASSERT_TRUE(full);
  AccessLogWriter writer(std::move(full), Format::w3c, 1, reports.callback(), 4096);
  reports.wait_for("No space left on device");
  for (std::size_t i = 0; i < kLines; ++i) writer.ring(0).push(make_line(0, i, 100));
  writer.stop(100ms);
  EXPECT_EQ(writer.lost(), kLines);
  const auto told = reports.all();
  const auto mentions = [&](std::string_view part) {
    return std::count_if(told.begin(), told.end(),
                         [&](const auto& text) { return text.find(part) != std::string::npos; });
  };
  EXPECT_EQ(mentions("cannot write"), 1);
  EXPECT_EQ(mentions("lines are being lost"), 1);
  EXPECT_EQ(mentions("could not be written before the end"), 1);
}

// The largest file that this process may write.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    EXPECT_EQ(::getrlimit(RLIMIT_FSIZE, &before_), 0);
    rlimit limit = before_;
    limit.rlim_cur = bytes;
    EXPECT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  }
  ~FileSizeLimit() { ::setrlimit(RLIMIT_FSIZE, &before_); }
  FileSizeLimit(const FileSizeLimit&) = delete;

 private:
  rlimit before_{};
};

TEST_F(AccessLogWriterTest, WhenTheDiskHasRoomAgainTheLogGoesOnWhereItStopped) {
  std::size_t produced = 0;
  Reports reports;
  AccessLogWriter writer(open("a.log"), Format::w3c, 1, reports.callback(),
                         std::size_t{256} * 1024);
  {
    const FileSizeLimit limit(1'000'003);  // in the middle of a line
    while (!reports.has("File too large")) {
      if (!writer.ring(0).push(make_line(0, produced++, 100))) std::this_thread::yield();
    }
  }
  writer.stop();
  const Contents contents = read(lines_in("a.log"), 1);
  EXPECT_EQ(contents.lines + writer.lost(), produced);
  EXPECT_EQ(contents.lost, writer.lost());
  EXPECT_GT(std::filesystem::file_size(folder_ / "a.log"), 1'000'003U);
}

TEST_F(AccessLogWriterTest, RemarksInJsonAreObjectsToo) {
  constexpr std::size_t kLines = 300;
  Pipe pipe;
  Reports reports;
  auto writer = std::make_unique<AccessLogWriter>(pipe.take_writer(), Format::json, 1,
                                                  reports.callback(), 4096);
  for (std::size_t i = 0; i < kLines; ++i)
    writer->ring(0).push("{\"n\":" + std::to_string(i) + ",\"f\":\"" + std::string(90, 'x') +
                         "\"}\n");
  std::string text;
  std::thread reader([&] { text = pipe.read_all(); });
  writer->stop(60s);
  const std::uint64_t lost = writer->lost();
  writer.reset();
  reader.join();
  std::uint64_t said = 0;
  std::uint64_t lines = 0;
  for (const std::string& line : split_lines(text)) {
    const auto object = nlohmann::json::parse(line);
    if (object.contains("remark")) {
      said += object["lost"].get<std::uint64_t>();
    } else {
      ++lines;
    }
  }
  EXPECT_EQ(said, lost);
  EXPECT_EQ(lines + lost, kLines);
  EXPECT_GT(lost, 0U);
}

}  // namespace
}  // namespace ocsproxy
