#include <cstdio>

#include "app/modes.h"
#include "app/questions.h"
#include "check/explain.h"
#include "check/question_message.h"

namespace ocsproxy {
namespace {

int print(const Result<std::string>& answer) {
  if (!answer) return refuse(answer.error());
  std::fputs(answer->c_str(), stdout);
  return 0;
}

}  // namespace

int explain_mode(const CommandLine& line) {
  const Question question{line.url, *line.from, line.method, line.headers};
  if (!line.socket.empty()) return print_answer(line.socket, encode(question, line.format));
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
