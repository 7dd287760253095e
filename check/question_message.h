// A question as it travels to the running proxy (listeners/question_socket.h): made here from what
// the command line says, and answered here from what is served.
#pragma once

#include <string>
#include <string_view>

#include "check/explain.h"
#include "listeners/question_socket.h"

namespace ocsproxy {

// What --stats asks. Of words like every question, so that another version can tell that it is one.
inline constexpr std::string_view kStatisticsQuestion{"stats\0", 6};

// What --explain asks. No part of `question` has a NUL in it.
std::string encode(const Question& question, ReportFormat format);

// `message` need not have been made by `encode`. The answer is what --explain prints of a
// configuration, or the sentence that says why the question is none.
Answer answer_question(const ServedConfiguration& configuration, const Machine& machine,
                       std::string_view message);

}  // namespace ocsproxy
