// What is wrong with a configuration, and where. Each error, warning or note is one Finding; a run
// collects all of them. Rendered as
//   conf/rules.yaml:12:11: error: "Externl" is no network [unknown-network]
//       from: [Externl]
//              ^
//       did you mean "External"?
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/finding_codes.h"

namespace ocsproxy {

// A place in one of the files of a `Sources`. Lines and columns count from 1, columns in bytes;
// line 0 is "the file".
struct Location {
  static constexpr std::uint32_t kNoFile = 0xffffffff;
  std::uint32_t file = kNoFile;
  std::uint32_t line = 0;
  std::uint32_t column = 0;

  friend bool operator==(const Location&, const Location&) = default;
};

// A value of the configuration and where it stands. Converts to the value it holds.
template <typename T>
struct Located {
  T value{};
  Location where{};

  const T& operator*() const { return value; }
  const T* operator->() const { return &value; }
};

// The texts of the configuration files, kept so that findings can show the line they speak of.
class Sources {
 public:
  // Returns the number that Location::file uses.
  std::uint32_t add(std::string path, std::string text);
  const std::string& path(std::uint32_t file) const { return files_[file].path; }
  // The line without its end, or "" when there is none.
  std::string_view line(const Location& where) const;
  std::size_t size() const { return files_.size(); }

 private:
  struct File {
    std::string path;
    std::string text;
    std::vector<std::size_t> line_starts;
  };
  std::vector<File> files_;
};

struct Finding {
  Severity severity = Severity::error;
  std::string_view code;  // of the table in base/finding_codes.h
  Location where;
  std::string text;      // what is wrong, one sentence without a full stop
  std::string mend;      // what to do; may be empty
  std::string fragment;  // what of the line is at fault; "": what begins at the place
};

class Findings {
 public:
  // The finding made is the caller's to complete, until the next one is.
  Finding& error(ErrorCode code, Location where, std::string text, std::string mend = {});
  Finding& warning(WarningCode code, Location where, std::string text, std::string mend = {});
  Finding& note(NoteCode code, Location where, std::string text, std::string mend = {});
  void add(Finding finding) { all_.push_back(std::move(finding)); }

  bool has_errors() const;
  std::size_t count(Severity severity) const;
  const std::vector<Finding>& all() const { return all_; }
  // By file, line and column; findings at the same place keep the order in which they were made.
  void sort();

 private:
  Finding& make(const FindingCode& code, Location where, std::string text, std::string mend);
  std::vector<Finding> all_;
};

// Where a finding points, columns in bytes: at its fragment where the line has it.
struct Mark {
  std::uint32_t column = 0;
  std::uint32_t length = 0;  // of the fragment; 0 when none was found
};
Mark mark_of(const Finding& finding, const Sources& sources);

// One finding as shown above, each line ended. `colour` adds ANSI sequences.
std::string render(const Finding& finding, const Sources& sources, bool colour = false);
std::string render(const Findings& findings, const Sources& sources, bool colour = false);

}  // namespace ocsproxy
