#include "app/modes.h"
#include "app/questions.h"
#include "check/question_message.h"

namespace ocsproxy {

int stats_mode(const CommandLine& line) { return print_answer(line.socket, kStatisticsQuestion); }

}  // namespace ocsproxy
