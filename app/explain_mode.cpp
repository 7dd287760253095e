#include <chrono>
#include <cstdio>

#include "app/modes.h"
#include "app/questions.h"
#include "check/explain.h"
#include "check/question_message.h"

namespace ocsproxy {
namespace {

// Of a policy with 100,000 rules the answer takes a second, and others may ask before.
constexpr std::chrono::seconds kPatience{60};

int print(const Result<std::string>& answer) {
  if (!answer) return refuse(answer.error());
  std::fputs(answer->c_str(), stdout);
  return 0;
}

int explain_running(const CommandLine& line, const Question& question) {
  auto answer = ask(line.socket, encode(question, line.format), kPatience);
  if (!answer) return refuse(answer.error());
  if (answer->status != 0) {
    (void)refuse(Error{.detail = std::move(answer->text)});
    return answer->status;
  }
  return print(std::move(answer->text));
}

}  // namespace

int explain_mode(const CommandLine& line) {
  const Question question{line.url, *line.from, line.method, line.headers};
  if (!line.socket.empty()) return explain_running(line, question);
  DiskFiles files;
  const Library library(Library::Algorithms::legacy);
  const auto asked = read_for_questions(line, files, library);
  if (!asked) return refuse(asked.error());
  const Configuration& configuration = *asked->configuration;
  if (configuration.findings.has_errors()) {
    std::fputs(complaint_of(configuration, line, line.configuration).c_str(), stderr);
    return 1;
  }
  return print(explain_as(
      line.format, {configuration.settings, *configuration.table, configuration.certificates},
      asked->machine, question));
}

}  // namespace ocsproxy
