#include "app/serving.h"

#include <optional>
#include <string_view>

#include "app/questions.h"
#include "check/question_message.h"
#include "listeners/descriptor_limit.h"
#include "listeners/load.h"
#include "listeners/local_loader.h"
#include "listeners/privileges.h"
#include "listeners/runtime.h"
#include "listeners/statistics.h"
#include "listeners/syscall_filter.h"

namespace ocsproxy {
namespace {

void validate(const settings::Loaded& loaded, Files& files, Findings& findings) {
  (void)compile_snapshot(loaded, files, 0, findings);
}

Answer answer_from_load(const Served& served, std::string_view question) {
  if (question == kStatisticsQuestion) return {0, statistics_text(served)};
  const Snapshot& snapshot = *served.snapshot;
  const Result<Machine> machine = this_machine();
  if (!machine) return {2, machine.error().detail};
  return answer_question({snapshot.settings(), *snapshot.table, snapshot.certificates}, *machine,
                         question);
}

}  // namespace

LoadFunction make_load(const std::string& configuration) {
  return [options = LoadOptions{.path = configuration, .validate = validate}](
             const LoadBundle* last) { return load_bundle(options, last); };
}

Result<std::unique_ptr<const QuestionSocket>> make_question_socket(const CommandLine& line) {
  if (line.socket.empty()) return std::unique_ptr<const QuestionSocket>();
  auto socket = QuestionSocket::bind(line.socket);
  if (!socket) return std::move(socket).error();
  return std::unique_ptr<const QuestionSocket>(
      std::make_unique<QuestionSocket>(*std::move(socket)));
}

int serve(ControlSource& control, const std::string& configuration, const QuestionSocket* questions,
          const Log& log) {
  std::optional<QuestionServer> server;
  if (questions != nullptr) server.emplace(*questions, answer_from_load, log);
  return Runtime(control, configuration, log, server ? &*server : nullptr).run();
}

int serve_alone(const LoadFunction& load, const CommandLine& line, const Log& log) {
  const auto questions = make_question_socket(line);
  if (!questions) return refuse(questions.error());
  raise_descriptor_limit();
  if (const Status kept = keep_memory_private(); !kept) log.warning(kept.error().detail);
  if (const Status confined = confine(Confinement::alone); !confined)
    log.warning(confined.error().detail + "; the program runs without");
  Result<std::unique_ptr<LocalLoader>> control = LocalLoader::start(load, log);
  if (!control) {
    log.error(control.error().detail);
    return control.error().kind == ErrorKind::malformed ? 1 : 2;
  }
  return serve(**control, line.configuration, questions->get(), log);
}

}  // namespace ocsproxy
