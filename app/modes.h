// The modes of the program, each in a file of its own. All answer the exit status.
#pragma once

#include "app/command_line.h"

namespace ocsproxy {

// Serves until it is told to drain: as two processes when started as root, else as one.
int run_mode(const CommandLine& line);
// Prints the findings about a configuration.
int check_mode(const CommandLine& line);
// Says what becomes of one request.
int explain_mode(const CommandLine& line);
// Prints what two configurations answer otherwise.
int diff_mode(const CommandLine& line);
// Prints which network reaches which internal URLs.
int exposure_mode(const CommandLine& line);
// Prints which requests of access logs are answered otherwise.
int replay_mode(const CommandLine& line);
// Prints what the running proxy has counted.
int stats_mode(const CommandLine& line);
// Serves with a stand-in pool behind it.
int lab_mode(const CommandLine& line);

}  // namespace ocsproxy
