// The program: reads the command line and starts the mode that it asks for.

#include <csignal>
#include <cstdio>
#include <string_view>
#include <vector>

#include "app/command_line.h"
#include "app/modes.h"
#include "tls/openssl.h"

int main(int argc, char** argv) {
  // Before anything allocates through OpenSSL.
  (void)ocsproxy::use_free_lists();
  // A peer that is gone is an error of the write, not a signal.
  std::signal(SIGPIPE, SIG_IGN);

  const std::vector<std::string_view> arguments(argv + 1, argv + argc);
  const ocsproxy::CommandLine line = ocsproxy::parse_command_line(arguments);
  if (!line.error.empty()) {
    std::fprintf(stderr, "ocsproxy: %s\nTry  ocsproxy --help\n", line.error.c_str());
    return 2;
  }
  switch (line.mode) {
    case ocsproxy::Mode::help:
      std::fputs(ocsproxy::help_text().data(), stdout);
      return 0;
    case ocsproxy::Mode::version:
      std::puts("ocsproxy " OCSPROXY_VERSION);
      return 0;
    case ocsproxy::Mode::check:
      return ocsproxy::check_mode(line);
    case ocsproxy::Mode::explain:
      return ocsproxy::explain_mode(line);
    case ocsproxy::Mode::diff:
      return ocsproxy::diff_mode(line);
    case ocsproxy::Mode::exposure:
      return ocsproxy::exposure_mode(line);
    case ocsproxy::Mode::replay:
      return ocsproxy::replay_mode(line);
    case ocsproxy::Mode::stats:
      return ocsproxy::stats_mode(line);
    case ocsproxy::Mode::lab:
      return ocsproxy::lab_mode(line);
    case ocsproxy::Mode::run:
      return ocsproxy::run_mode(line);
  }
  return 2;
}
