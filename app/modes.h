// The modes of the program, each in a file of its own. All answer the exit status.
#pragma once

#include "app/command_line.h"

namespace ocsproxy {

// Serves until it is told to drain: as two processes when started as root, else as one.
int run_mode(const CommandLine& line);
// Prints the findings about a configuration.
int check_mode(const CommandLine& line);
// Serves with a stand-in pool behind it.
int lab_mode(const CommandLine& line);

}  // namespace ocsproxy
