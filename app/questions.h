// What the modes that ask a configuration something have in common.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "app/command_line.h"
#include "base/files.h"
#include "check/configuration.h"
#include "check/machine.h"

namespace ocsproxy {

struct AskedConfiguration {
  Machine machine;
  std::unique_ptr<Configuration> configuration;
};

// This machine, or the one with the addresses of the command line.
Result<Machine> machine_of(const CommandLine& line);
// A configuration for it.
Result<AskedConfiguration> read_for_questions(const CommandLine& line, Files& files,
                                              const Library& library);

struct PolicyOrStatus {
  std::unique_ptr<const PolicyFile> policy;  // null unless `status` is 0
  int status = 0;                            // 1: it has errors, 2: it cannot be read
  std::string complaint;                     // for stderr
};
// The policy of `path`, as the same machine would serve it.
PolicyOrStatus read_policy_of(const CommandLine& line, const std::string& path);

// Of a policy that has errors: which, for stderr.
std::string complaint_of(const PolicyFile& policy, const CommandLine& line,
                         const std::string& path);

// Asks the running proxy at `socket` and prints what it answers; the exit status.
int print_answer(const std::string& socket, std::string_view question);

// Says on stderr why nothing can be answered; the exit status.
int refuse(const Error& error);

}  // namespace ocsproxy
