#include "base/finding.h"

#include <algorithm>
#include <tuple>

namespace ocsproxy {
namespace {

constexpr std::string_view kIndent = "    ";
// A line longer than this is shown in part, around the caret.
constexpr std::size_t kLongestLine = 160;

// Of a character of UTF-8 that began before: it takes no room of its own, and may not be cut off.
bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

std::string position(const Location& where, const Mark& mark, const Sources& sources) {
  if (where.file == Location::kNoFile) return {};
  std::string text = sources.path(where.file);
  if (where.line != 0) {
    text += ':' + std::to_string(where.line) + ':' + std::to_string(mark.column);
  }
  return text + ": ";
}

// The source line and the caret under what `mark` points at.
std::string excerpt(const Location& where, const Mark& mark, const Sources& sources) {
  if (where.file == Location::kNoFile || where.line == 0) return {};
  std::string_view line = sources.line(where);
  std::size_t column = std::min<std::size_t>(mark.column > 0 ? mark.column - 1 : 0, line.size());
  if (line.size() > kLongestLine) {
    std::size_t start = column > kLongestLine / 2 ? column - kLongestLine / 2 : 0;
    while (start < column && is_continuation(line[start])) ++start;
    std::size_t end = std::min(line.size(), start + kLongestLine);
    while (end < line.size() && end > column && is_continuation(line[end])) --end;
    line = line.substr(start, end - start);
    column -= start;
  }
  std::string text;
  text.append(kIndent).append(line).append("\n").append(kIndent);
  // Tabs stay tabs, so that the caret stands under its character whatever their width.
  for (const char c : line.substr(0, column)) {
    if (!is_continuation(c)) text += c == '\t' ? '\t' : ' ';
  }
  text += '^';
  const std::string_view rest = line.substr(column, mark.length);
  for (std::size_t i = 1; i < rest.size(); ++i) {
    if (!is_continuation(rest[i])) text += '~';
  }
  return text + '\n';
}

std::string_view colour_of(Severity severity) {
  switch (severity) {
    case Severity::error:
      return "\x1b[1;31m";
    case Severity::warning:
      return "\x1b[1;35m";
    case Severity::note:
      return "\x1b[1;36m";
  }
  return "";
}

}  // namespace

std::uint32_t Sources::add(std::string path, std::string text) {
  std::vector<std::size_t> starts{0};
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n') starts.push_back(i + 1);
  }
  files_.push_back({std::move(path), std::move(text), std::move(starts)});
  return static_cast<std::uint32_t>(files_.size() - 1);
}

std::string_view Sources::line(const Location& where) const {
  if (where.file >= files_.size()) return {};
  const File& file = files_[where.file];
  if (where.line == 0 || where.line > file.line_starts.size()) return {};
  std::string_view rest = std::string_view(file.text).substr(file.line_starts[where.line - 1]);
  rest = rest.substr(0, rest.find('\n'));
  if (rest.ends_with('\r')) rest.remove_suffix(1);
  return rest;
}

std::string_view to_string(Severity severity) {
  switch (severity) {
    case Severity::error:
      return "error";
    case Severity::warning:
      return "warning";
    case Severity::note:
      return "note";
  }
  return "unknown";
}

Finding& Findings::make(const FindingCode& code, Location where, std::string text,
                        std::string mend) {
  return all_.emplace_back(
      Finding{code.severity, code.name, where, std::move(text), std::move(mend), {}});
}

Finding& Findings::error(ErrorCode code, Location where, std::string text, std::string mend) {
  return make(code.row(), where, std::move(text), std::move(mend));
}

Finding& Findings::warning(WarningCode code, Location where, std::string text, std::string mend) {
  return make(code.row(), where, std::move(text), std::move(mend));
}

Finding& Findings::note(NoteCode code, Location where, std::string text, std::string mend) {
  return make(code.row(), where, std::move(text), std::move(mend));
}

std::size_t Findings::count(Severity severity) const {
  return static_cast<std::size_t>(std::count_if(
      all_.begin(), all_.end(), [severity](const Finding& f) { return f.severity == severity; }));
}

bool Findings::has_errors() const { return count(Severity::error) != 0; }

void Findings::sort() {
  const auto place = [](const Finding& f) {
    return std::tuple(f.where.file, f.where.line, f.where.column);
  };
  std::stable_sort(all_.begin(), all_.end(),
                   [&](const Finding& a, const Finding& b) { return place(a) < place(b); });
}

Mark mark_of(const Finding& finding, const Sources& sources) {
  const Location& where = finding.where;
  if (where.column == 0 || finding.fragment.empty()) return {where.column, 0};
  const std::size_t found = sources.line(where).find(finding.fragment, where.column - 1);
  if (found == std::string_view::npos) return {where.column, 0};
  return {static_cast<std::uint32_t>(found + 1),
          static_cast<std::uint32_t>(finding.fragment.size())};
}

std::string render(const Finding& finding, const Sources& sources, bool colour) {
  const std::string_view start = colour ? colour_of(finding.severity) : "";
  const std::string_view end = colour ? "\x1b[0m" : "";
  const Mark mark = mark_of(finding, sources);
  std::string text = position(finding.where, mark, sources);
  text.append(start).append(to_string(finding.severity)).append(":").append(end);
  text.append(" ").append(finding.text).append(" [").append(finding.code).append("]\n");
  text += excerpt(finding.where, mark, sources);
  if (!finding.mend.empty()) text.append(kIndent).append(finding.mend).append("\n");
  return text;
}

std::string render(const Findings& findings, const Sources& sources, bool colour) {
  std::string text;
  for (const Finding& finding : findings.all()) text += render(finding, sources, colour);
  return text;
}

}  // namespace ocsproxy
