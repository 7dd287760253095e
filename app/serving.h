// What the modes that serve have in common.
#pragma once

#include <memory>
#include <string>

#include "app/command_line.h"
#include "base/log.h"
#include "listeners/control.h"
#include "listeners/question_server.h"

namespace ocsproxy {

// The load of the real program: what the loader refuses is all that the server would stumble over,
// so that a bad configuration never reaches it.
LoadFunction make_load(const std::string& configuration);

// The socket of --socket, or null when none is wanted. To be made before anything is served, and
// before there is a thread.
Result<std::unique_ptr<const QuestionSocket>> make_question_socket(const CommandLine& line);

// Serves what `control` says until it is drained; questions come by `questions`, null for none.
// The exit status.
int serve(ControlSource& control, const std::string& configuration, const QuestionSocket* questions,
          const Log& log);

// Serves as one process, with what it may read and bind itself. Blocks the signals that it takes.
int serve_alone(const LoadFunction& load, const CommandLine& line, const Log& log);

}  // namespace ocsproxy
