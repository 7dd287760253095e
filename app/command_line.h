// What the program was asked to do.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace ocsproxy {

enum class Mode { run, check, lab, help, version };

struct CommandLine {
  Mode mode = Mode::run;
  std::string configuration;  // directory or file; "" with help and version
  std::string user;           // the account to serve as when started as root; "" for the default
  bool colour = true;         // where the output is a terminal

  std::string error;  // not "": what is wrong with the command line, one sentence
};

// `arguments` without the program's name. Pure.
CommandLine parse_command_line(std::span<const std::string_view> arguments);

// The text of --help.
std::string_view help_text();

}  // namespace ocsproxy
