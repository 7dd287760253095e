#include "app/questions.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>

#include "listeners/interfaces.h"
#include "listeners/question_socket.h"

namespace ocsproxy {
namespace {

// Of a policy with 100,000 rules an answer takes a second, and others may ask before.
constexpr std::chrono::seconds kPatience{60};

}  // namespace

Result<Machine> machine_of(const CommandLine& line) {
  return line.local_addresses.empty() ? this_machine()
                                      : Result(other_machine(line.local_addresses));
}

Result<AskedConfiguration> read_for_questions(const CommandLine& line, Files& files,
                                              const Library& library) {
  Result<Machine> machine = machine_of(line);
  if (!machine) return std::move(machine).error();
  auto configuration = read_configuration(line.configuration, files, *machine, library,
                                          std::chrono::system_clock::now());
  if (!configuration) return std::move(configuration).error();
  return AskedConfiguration{*std::move(machine), *std::move(configuration)};
}

PolicyOrStatus read_policy_of(const CommandLine& line, const std::string& path) {
  const auto unreadable = [](const Error& error) {
    return PolicyOrStatus{nullptr, 2, "ocsproxy: " + error.detail + '\n'};
  };
  const Result<Machine> machine = machine_of(line);
  if (!machine) return unreadable(machine.error());
  DiskFiles files;
  auto policy = std::make_unique<PolicyFile>();
  const Status read = read_policy(path, files, own_addresses(machine->interfaces), *policy);
  if (!read) return unreadable(read.error());
  if (policy->findings.has_errors()) return {nullptr, 1, complaint_of(*policy, line, path)};
  return {std::move(policy), 0, {}};
}

std::string complaint_of(const PolicyFile& policy, const CommandLine& line,
                         const std::string& path) {
  Findings errors;
  for (const Finding& finding : policy.findings.all()) {
    if (finding.severity == Severity::error) errors.add(finding);
  }
  const bool colour = line.colour && ::isatty(STDERR_FILENO) == 1;
  return render(errors, policy.sources, colour) + "ocsproxy: " + path +
         " has errors, so there is nothing to be asked; --check says more\n";
}

int print_answer(const std::string& socket, std::string_view question) {
  auto answer = ask(socket, question, kPatience);
  if (!answer) return refuse(answer.error());
  if (answer->status != 0) {
    (void)refuse(Error{.detail = std::move(answer->text)});
    return answer->status;
  }
  std::fputs(answer->text.c_str(), stdout);
  return 0;
}

int refuse(const Error& error) {
  std::fprintf(stderr, "ocsproxy: %s\n", error.detail.c_str());
  return 2;
}

}  // namespace ocsproxy
