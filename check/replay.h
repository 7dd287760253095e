// --replay: the requests of access logs before another policy. The lines stream through; what is
// kept of them is bounded whatever they are.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "check/log_judge.h"
#include "check/log_lines.h"
#include "check/policy_diff.h"
#include "check/w3c_log.h"

namespace ocsproxy {

// Lines of which the same was and is to be said.
struct ReplayGroup {
  // The changes of --diff but for authentication, of which a log says nothing. Empty: the outcome
  // is the same, by another rule.
  std::optional<Change> change;
  Outcome then = Outcome::denied;
  std::string then_rule, then_site;  // as logged, unescaped; "": none
  Now now;

  // What makes a group; those without a change are the last.
  using Key = std::tuple<bool, std::optional<Change>, Outcome, std::string_view, std::string_view,
                         Outcome, std::uint32_t, std::string_view>;
  Key key() const {
    return {!change, change, then, then_rule, then_site, now.outcome, now.rule, now.reason};
  }
};

// The first lines of a kind.
struct Examples {
  static constexpr std::size_t kKept = 3;

  struct Line {
    std::string log;
    std::uint64_t number = 0;
    std::string request;  // "GET https://www.example.com/x from 192.0.2.7"; "" where it has none
  };

  std::uint64_t lines = 0;  // how many there are
  std::vector<Line> first;
};

struct ReplayResult {
  std::uint64_t lines = 0;                               // of requests, judged or not
  std::uint64_t same = 0;                                // with the same outcome, by whichever rule
  std::vector<std::pair<ReplayGroup, Examples>> groups;  // by change, the most lines first
  std::uint64_t further = 0;  // lines that differ in more ways than are kept apart
  std::array<Examples, kUnjudged> unjudged;
  std::string missing_columns;  // of the first log that lacks some

  std::uint64_t changed() const;
  // Of which it is not known whether they changed.
  std::uint64_t doubtful() const;
};

// One thread.
class Replay {
 public:
  // More groups are counted together: a log is not trusted to be one.
  static constexpr std::size_t kMostGroups = 10'000;

  Replay(const rules::Policy& policy, std::optional<std::uint32_t> listener);

  // Why this is no log at all, by what it begins with; one clause, "" for a log.
  static std::string_view objection(std::string_view beginning);
  // All lines; `name` is the log's in examples. `tick` is called every few thousand lines. The
  // error of the reading, if there was one.
  Status add(const std::string& name, LogLines& lines, const std::function<void()>& tick);

  // How many lines there were so far.
  std::uint64_t lines() const { return result_.lines; }
  // To be called last.
  ReplayResult take();

 private:
  struct ByKey {
    using is_transparent = void;
    static ReplayGroup::Key of(const ReplayGroup& group) { return group.key(); }
    static const ReplayGroup::Key& of(const ReplayGroup::Key& key) { return key; }
    bool operator()(const auto& a, const auto& b) const { return of(a) < of(b); }
  };

  // What a line says of a request is in `entry_` afterwards, and what follows in `judged_`.
  std::optional<Unjudged> read(const LogLines::Line& line);
  void compare(const LogLines::Line& line);
  void note(Examples& examples, const LogLines::Line& line);

  LogJudge judge_;
  ReplayResult result_;
  std::map<ReplayGroup, Examples, ByKey> groups_;

  // Of the log that is being read.
  std::string name_;
  W3cColumns columns_;
  LogEntry entry_;
  LogJudge::Judged judged_;
  std::array<std::string, 2> names_;  // of rule and site, unescaped
};

}  // namespace ocsproxy
