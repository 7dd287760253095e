// Answers the questions that come to the running proxy, on a thread of its own: a worker never
// waits for one.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string_view>
#include <thread>

#include "base/descriptor.h"
#include "base/log.h"
#include "listeners/question_socket.h"
#include "listeners/served.h"

namespace ocsproxy {

class QuestionServer {
 public:
  // Called on the server's thread with what is served then. The question is whatever somebody sent,
  // at most kLongestQuestion bytes.
  using AnswerFunction = std::function<Answer(const Served& served, std::string_view question)>;

  // `socket` and `log` outlive it. Starts no thread yet: questions wait for the first load. One
  // client is served at a time, and none longer than `patience` at each of question and answer.
  QuestionServer(const QuestionSocket& socket, AnswerFunction answer, const Log& log,
                 std::chrono::milliseconds patience = std::chrono::seconds(10));
  ~QuestionServer() { end(); }
  QuestionServer(const QuestionServer&) = delete;  // its thread refers to it
  QuestionServer& operator=(const QuestionServer&) = delete;

  // From now on this is served. On any one thread; the first call starts the server's.
  void answer_from(std::shared_ptr<const Served> served);
  // No question is answered any more, and nothing that was served is used: returns once the answer
  // that is being made is made.
  void end();

 private:
  void run();
  void serve(int connection);
  Patience patience_from_now() const;

  const QuestionSocket& socket_;
  const AnswerFunction answer_;
  const Log& log_;
  const std::chrono::milliseconds patience_;
  Descriptor stop_;  // an eventfd
  std::mutex mutex_;
  std::shared_ptr<const Served> served_;  // by `mutex_`
  std::thread thread_;
};

}  // namespace ocsproxy
