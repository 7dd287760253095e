#include "check/replay.h"

#include <algorithm>

#include "base/text.h"
#include "check/json_log.h"

namespace ocsproxy {
namespace {

constexpr std::uint64_t kTickLines = 8192;
// A longer name of a rule or site is no name of ours.
constexpr std::size_t kMostOfName = 1024;
constexpr std::string_view kFields = "#Fields:";

// Of the log itself, not of a request.
bool is_remark(std::string_view line) {
  return line.empty() || line.starts_with('#') || line.starts_with("{\"remark\":");
}

bool is_denial(Outcome outcome) {
  return outcome == Outcome::denied || outcome == Outcome::not_served ||
         outcome == Outcome::refused;
}

bool is_redirect(Outcome outcome) {
  return outcome == Outcome::redirected || outcome == Outcome::to_https;
}

std::optional<Change> change_of(const LogJudge::Judged& judged, LogForm form) {
  const Outcome then = judged.then.outcome, now = judged.now.outcome;
  const bool allowed = then == Outcome::allowed;
  if (allowed != (now == Outcome::allowed)) return allowed ? Change::closed : Change::opened;
  if (allowed) return judged.same_site ? std::nullopt : std::optional(Change::target);
  if (then == now || (is_denial(then) && is_denial(now))) return std::nullopt;
  // ISA Server's log does not tell the two kinds of redirects apart.
  if (form == LogForm::isa && is_redirect(then) && is_redirect(now)) return std::nullopt;
  return Change::answer;
}

}  // namespace

std::uint64_t ReplayResult::changed() const {
  std::uint64_t sum = further;
  for (const auto& [group, examples] : groups) sum += group.change ? examples.lines : 0;
  return sum;
}

std::uint64_t ReplayResult::doubtful() const {
  std::uint64_t sum = 0;
  for (std::size_t why = 0; why < kUnjudged; ++why) {
    if (!has_no_say(static_cast<Unjudged>(why))) sum += unjudged[why].lines;
  }
  return sum;
}

Replay::Replay(const rules::Policy& policy, std::optional<std::uint32_t> listener)
    : judge_(policy, listener),
      names_{std::string(kMostOfName, '\0'), std::string(kMostOfName, '\0')} {}

std::string_view Replay::objection(std::string_view beginning) {
  if (beginning.starts_with("\x1f\x8b")) {
    return "is compressed with gzip: pipe what zcat makes of it to  ocsproxy --replay - CONF";
  }
  if (beginning.starts_with("\xff\xfe") || beginning.starts_with("\xfe\xff")) {
    return "is UTF-16: pipe what  iconv -f UTF-16 -t UTF-8  makes of it to  ocsproxy --replay - "
           "CONF";
  }
  return beginning.find('\0') == std::string_view::npos ? "" : "is no text, so it is no access log";
}

Status Replay::add(const std::string& name, LogLines& lines, const std::function<void()>& tick) {
  name_ = name;
  columns_ = {};
  while (const auto line = lines.next()) {
    if (line->number % kTickLines == 0) tick();
    const bool whole = line->state == LogLines::Line::State::whole;
    if (whole && is_remark(line->text)) {
      if (line->text.starts_with(kFields)) columns_.set(line->text.substr(kFields.size()));
      continue;
    }
    ++result_.lines;
    if (const auto why = read(*line)) {
      note(result_.unjudged[static_cast<std::size_t>(*why)], *line);
    } else {
      compare(*line);
    }
  }
  if (lines.error() != nullptr) return *lines.error();
  return Done{};
}

std::optional<Unjudged> Replay::read(const LogLines::Line& line) {
  entry_.fields.fill({});
  if (line.state == LogLines::Line::State::cut_off) return Unjudged::cut_off;
  if (line.state == LogLines::Line::State::too_long) return Unjudged::too_long;
  if (line.text.starts_with('{')) {
    if (!read_json_line(line.text, entry_)) return Unjudged::no_json;
    return judge_.judge(entry_, judged_);
  }
  if (!columns_.known()) return Unjudged::no_columns;
  if (!columns_.missing().empty()) {
    if (result_.missing_columns.empty()) result_.missing_columns = columns_.missing();
    return Unjudged::missing_columns;
  }
  if (!columns_.read(line.text, entry_)) return Unjudged::other_columns;
  return judge_.judge(entry_, judged_);
}

void Replay::compare(const LogLines::Line& line) {
  const std::optional<Change> change = change_of(judged_, entry_.form);
  if (!change) {
    ++result_.same;
    if (judged_.same_rule) return;
  }
  const auto name = [&](std::string_view logged, std::string& buffer) {
    return unescaped(logged.substr(0, kMostOfName), entry_.form, buffer);
  };
  const Then& then = judged_.then;
  const Now& now = judged_.now;
  const std::string_view rule = name(then.rule, names_[0]), site = name(then.site, names_[1]);
  const ReplayGroup::Key key{!change, change,      then.outcome, rule,
                             site,    now.outcome, now.rule,     now.reason};
  auto group = groups_.find(key);
  if (group == groups_.end()) {
    if (groups_.size() == kMostGroups) {
      if (change) ++result_.further;
      return;
    }
    ReplayGroup fresh{change, then.outcome, std::string(rule), std::string(site), now};
    group = groups_.emplace(std::move(fresh), Examples{}).first;
  }
  note(group->second, line);
}

void Replay::note(Examples& examples, const LogLines::Line& line) {
  if (++examples.lines > Examples::kKept) return;
  Examples::Line& example = examples.first.emplace_back();
  example.log = name_;
  example.number = line.number;
  if (entry_[LogField::url].empty()) return;
  std::string buffer(entry_[LogField::url]);
  const std::string_view url = unescaped(entry_[LogField::url], entry_.form, buffer);
  example.request = escaped(entry_[LogField::method]) + ' ' + escaped(url) + " from " +
                    escaped(entry_[LogField::client]);
  if (!entry_[LogField::listener].empty()) {
    example.request += " to " + escaped(entry_[LogField::listener]);
  }
}

ReplayResult Replay::take() {
  for (auto& [group, examples] : groups_) {
    result_.groups.emplace_back(group, std::move(examples));
  }
  std::ranges::stable_sort(result_.groups, [](const auto& a, const auto& b) {
    if (a.first.change != b.first.change) {
      return std::pair(!a.first.change, a.first.change) <
             std::pair(!b.first.change, b.first.change);
    }
    return a.second.lines > b.second.lines;
  });
  return std::move(result_);
}

}  // namespace ocsproxy
