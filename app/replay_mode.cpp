#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <string>
#include <vector>

#include "app/modes.h"
#include "app/questions.h"
#include "base/descriptor.h"
#include "base/text.h"
#include "check/replay_report.h"
#include "settings/shown_text.h"

namespace ocsproxy {
namespace {

struct Log {
  std::string name;
  Descriptor descriptor;
  std::uint64_t size = 0;  // 0: not known, it is no file
};

Error wrong(std::string detail) { return Error{.detail = std::move(detail)}; }

Result<Log> open_log(const std::string& path) {
  const bool standard_input = path == "-";
  Log log{standard_input ? "standard input" : path,
          Descriptor(standard_input ? ::dup(STDIN_FILENO)
                                    : ::open(path.c_str(), O_RDONLY | O_CLOEXEC))};
  struct stat found {};
  if (!log.descriptor || ::fstat(log.descriptor.get(), &found) != 0) {
    return wrong("cannot read " + log.name + ": " + errno_text(errno));
  }
  if (S_ISREG(found.st_mode)) log.size = static_cast<std::uint64_t>(found.st_size);
  return log;
}

LogLines::Source reader_of(const Log& log) {
  return [&log](std::span<char> into) -> Result<std::size_t> {
    while (true) {
      const ssize_t read = ::read(log.descriptor.get(), into.data(), into.size());
      if (read >= 0) return static_cast<std::size_t>(read);
      if (errno != EINTR) return wrong("cannot read " + log.name + ": " + errno_text(errno));
    }
  };
}

// One line on stderr that says how far it is, where that is a terminal.
class Progress {
 public:
  explicit Progress(const std::vector<Log>& logs) : shown_(::isatty(STDERR_FILENO) == 1) {
    for (const Log& log : logs) {
      known_ = known_ && log.size != 0;
      total_ += log.size;
    }
  }
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;

  void log_done(std::uint64_t bytes) { before_ += bytes; }

  // `bytes` of the log that is being read.
  void show(std::uint64_t bytes, std::uint64_t lines) {
    const std::uint64_t done = before_ + bytes;
    const std::uint64_t step = std::max<std::uint64_t>(total_ / 200, kLeastStep);
    if (!shown_ || done < next_) return;
    next_ = done + step;
    drawn_ = true;
    if (!known_) {
      std::fprintf(stderr, "\r%llu requests", static_cast<unsigned long long>(lines));
      return;
    }
    constexpr std::size_t kWidth = 40;
    const std::uint64_t hundredths = std::min<std::uint64_t>(done * 100 / total_, 100);
    std::string bar(hundredths * kWidth / 100, '#');
    bar.resize(kWidth, '.');
    std::fprintf(stderr, "\r[%s] %3llu %%  %llu requests", bar.c_str(),
                 static_cast<unsigned long long>(hundredths),
                 static_cast<unsigned long long>(lines));
  }
  void clear() {
    if (drawn_) std::fputs("\r\033[K", stderr);
    drawn_ = false;
  }

 private:
  static constexpr std::uint64_t kLeastStep = std::uint64_t{4} * 1024 * 1024;

  const bool shown_;
  bool known_ = true, drawn_ = false;
  std::uint64_t total_ = 0, before_ = 0, next_ = 0;  // bytes
};

Status replay_logs(const std::vector<Log>& logs, Replay& replay) {
  Progress progress(logs);
  for (const Log& log : logs) {
    LogLines lines(reader_of(log));
    const std::string_view objection = Replay::objection(lines.beginning());
    if (!objection.empty()) return wrong(log.name + ' ' + std::string(objection));
    Status added =
        replay.add(log.name, lines, [&] { progress.show(lines.bytes(), replay.lines()); });
    if (!added) return added;
    progress.log_done(lines.bytes());
  }
  return Done{};
}

Result<std::optional<std::uint32_t>> find_listener(const CommandLine& line,
                                                   const settings::Settings& settings) {
  if (line.listener.empty()) return std::optional<std::uint32_t>();
  std::vector<std::string_view> known;
  for (const settings::Listener& listener : settings.listeners) {
    if (iequals(*listener.name, line.listener)) {
      return std::optional(static_cast<std::uint32_t>(known.size()));
    }
    known.emplace_back(*listener.name);
  }
  const std::string_view near = nearest_word(line.listener, known);
  return wrong("--listener: " + line.configuration + " has no listener " +
               settings::shown(line.listener) +
               (near.empty() ? "" : "; did you mean " + settings::shown(near) + '?'));
}

}  // namespace

int replay_mode(const CommandLine& line) {
  std::vector<Log> logs;
  for (const std::string& path : line.logs) {
    auto log = open_log(path);
    if (!log) return refuse(log.error());
    logs.push_back(*std::move(log));
  }
  const PolicyOrStatus asked = read_policy_of(line, line.configuration);
  std::fputs(asked.complaint.c_str(), stderr);
  if (asked.status != 0) return asked.status;
  const auto listener = find_listener(line, asked.policy->settings);
  if (!listener) return refuse(listener.error());

  Replay replay(asked.policy->policy(), *listener);
  const Status done = replay_logs(logs, replay);
  if (!done) return refuse(done.error());
  const ReplayResult result = replay.take();
  const auto report = line.format == ReportFormat::json ? replay_as_json : replay_as_text;
  std::fputs(report(result, *asked.policy).c_str(), stdout);
  return result.changed() == 0 && result.doubtful() == 0 ? 0 : 1;
}

}  // namespace ocsproxy
