// One case of the loader: configuration files, and what loading them must give.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "settings/load.h"

namespace ocsproxy::settings {

// A golden file is the text of conf/a.yaml up to the line "=== expected". Lines "=== NAME" begin
// further files of conf/. What is expected is every finding as --check shows it, and, where none is
// an error, the settings.
struct GoldenFile {
  std::string path;
  std::string input;                         // up to the line "=== expected"
  std::map<std::string, std::string> files;  // by path, "conf/a.yaml"
  std::string expected;
};

// The names of all cases, sorted.
std::vector<std::string> golden_names();
GoldenFile read_golden(const std::string& name);
void rewrite_golden(const GoldenFile& golden, const std::string& expected);

// Loads `files` as conf/; beside them exist the certificates of the cases, in conf/certs/.
Loaded load_conf(std::map<std::string, std::string> files);
Loaded load_text(const std::string& text);

// As a golden file has it.
std::string outcome(const Loaded& loaded);

}  // namespace ocsproxy::settings
