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

enum class Severity : std::uint8_t { error, warning, note };
std::string_view to_string(Severity severity);

struct Finding {
  Severity severity = Severity::error;
  std::string code;  // stable, kebab-case: "unknown-key"
  Location where;
  std::string text;  // what is wrong, one sentence without a full stop
  std::string mend;  // what to do; may be empty
};

class Findings {
 public:
  void error(std::string code, Location where, std::string text, std::string mend = {});
  void warning(std::string code, Location where, std::string text, std::string mend = {});
  void note(std::string code, Location where, std::string text, std::string mend = {});
  void add(Finding finding) { all_.push_back(std::move(finding)); }

  bool has_errors() const;
  std::size_t count(Severity severity) const;
  const std::vector<Finding>& all() const { return all_; }
  // By file, line and column; findings at the same place keep the order in which they were made.
  void sort();

 private:
  std::vector<Finding> all_;
};

// One finding as shown above, each line ended. `colour` adds ANSI sequences.
std::string render(const Finding& finding, const Sources& sources, bool colour = false);
std::string render(const Findings& findings, const Sources& sources, bool colour = false);

}  // namespace ocsproxy
