#include "app/command_line.h"

#include <array>
#include <vector>

#include "base/text.h"

namespace ocsproxy {
namespace {

constexpr std::array<std::string_view, 6> kOptions{"--check",   "--lab",  "--help",
                                                   "--version", "--user", "--no-color"};

void set_mode(CommandLine& line, Mode mode) {
  if (line.mode != Mode::run && line.mode != mode)
    line.error = "give one of --check, --lab, --help and --version, not two";
  line.mode = mode;
}

void unknown(CommandLine& line, std::string_view option) {
  line.error = "there is no option " + std::string(option);
  const std::string_view near = nearest_word(option, kOptions);
  if (!near.empty()) line.error += "; did you mean " + std::string(near) + "?";
}

}  // namespace

CommandLine parse_command_line(std::span<const std::string_view> arguments) {
  CommandLine line;
  bool options_end = false;
  for (std::size_t i = 0; i < arguments.size() && line.error.empty(); ++i) {
    const std::string_view argument = arguments[i];
    if (options_end || argument.empty() || argument == "-" || argument.front() != '-') {
      if (argument.empty()) {
        line.error = "the path of the configuration is empty";
      } else if (!line.configuration.empty()) {
        line.error = "one configuration at a time: \"" + line.configuration + "\" and \"" +
                     std::string(argument) + "\" were given";
      }
      line.configuration = argument;
    } else if (argument == "--") {
      options_end = true;
    } else if (argument == "--check") {
      set_mode(line, Mode::check);
    } else if (argument == "--lab") {
      set_mode(line, Mode::lab);
    } else if (argument == "--help" || argument == "-h") {
      set_mode(line, Mode::help);
    } else if (argument == "--version") {
      set_mode(line, Mode::version);
    } else if (argument == "--no-color") {
      line.colour = false;
    } else if (argument == "--user" || argument.starts_with("--user=")) {
      const bool joined = argument != "--user";
      if (!joined && i + 1 == arguments.size()) {
        line.error = "--user wants the name of an account behind it";
      } else {
        line.user = joined ? argument.substr(7) : arguments[++i];
        if (line.user.empty()) line.error = "--user wants the name of an account behind it";
      }
    } else {
      unknown(line, argument);
    }
  }
  const bool needs_configuration = line.mode != Mode::help && line.mode != Mode::version;
  if (line.error.empty() && needs_configuration && line.configuration.empty()) {
    line.error = "no configuration was given: name its directory, for example  ocsproxy conf/";
  }
  return line;
}

std::string_view help_text() {
  return R"(ocsproxy publishes internal web sites: listeners terminate TLS, rules judge each request,
allowed requests are re-encrypted to the verified internal site.

  ocsproxy [--user NAME] CONF   serve, in the foreground
  ocsproxy --check CONF         report every error and warning of the configuration
  ocsproxy --lab CONF           serve with a lab: makes certificates that are missing, starts a
                                stand-in OCS pool, prints curl commands to try
  ocsproxy --help | --version

CONF is a directory of YAML files, read in the byte order of their names, or one file. Paths in it
are relative to the directory.

  --user NAME   the account to serve as when started as root: a supervisor keeps the privilege to
                read keys and to bind ports, the server runs as NAME (default: ocsproxy if there is
                such an account, else nobody)
  --no-color    findings without colours on a terminal

Signals: SIGHUP loads the configuration again without losing a request (one that has errors changes
nothing), SIGTERM and SIGINT drain (a second one ends at once), SIGUSR1 opens the access log again
after it was renamed.

Exit status: 0 all is well; 1 the configuration has errors, or it cannot be served; 2 the command
line is wrong, or CONF cannot be read.
)";
}

}  // namespace ocsproxy
