// What the program was asked to do.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip_address.h"
#include "check/findings_report.h"

namespace ocsproxy {

enum class Mode { run, check, explain, diff, exposure, replay, stats, lab, help, version };

struct CommandLine {
  Mode mode = Mode::run;
  std::string
      configuration;  // directory or file; "" with help, version and where a running proxy is asked
  std::string compared_with;  // the new configuration with diff, where `configuration` is the old
  std::vector<std::string> logs;  // access logs with replay, in order; "-" is standard input
  std::string listener;           // that replay takes for those that a log does not know; "": none
  std::string user;      // the account to serve as when started as root; "" for the default
  std::string socket;    // at which the running proxy is asked; "" for none
  bool colour = true;    // where the output is a terminal
  bool strict = false;   // warnings count as errors
  bool live = false;     // --check tries what it can, too
  std::string resolver;  // whom --live asks, for c-ares; "" for the system's
  ReportFormat format = ReportFormat::text;
  std::string url;                         // what --explain is about
  std::optional<IpAddress> from;           // there with --explain
  std::string method = "GET";              // of the request
  std::vector<std::string> headers;        // "Name: value"
  std::vector<IpAddress> local_addresses;  // of the machine asked about; empty: this one

  std::string error;  // not "": what is wrong with the command line, one sentence
};

// `arguments` without the program's name. Pure.
CommandLine parse_command_line(std::span<const std::string_view> arguments);

// The text of --help.
std::string_view help_text();

}  // namespace ocsproxy
