#include "listeners/question_server.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace ocsproxy {
namespace {

// The exit status of a question that is none.
constexpr int kWrongQuestion = 2;
// accept(2) fails when descriptors are short; the data path needs them more.
constexpr int kPauseMs = 1'000;

}  // namespace

QuestionServer::QuestionServer(const QuestionSocket& socket, AnswerFunction answer, const Log& log,
                               std::chrono::milliseconds patience)
    : socket_(socket), answer_(std::move(answer)), log_(log), patience_(patience) {}

void QuestionServer::end() {
  if (!thread_.joinable()) return;
  const std::uint64_t one = 1;
  (void)!::write(stop_.get(), &one, sizeof one);
  thread_.join();
}

void QuestionServer::answer_from(std::shared_ptr<const Served> served) {
  {
    const std::lock_guard lock(mutex_);
    served_.swap(served);
  }
  if (thread_.joinable()) return;
  stop_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (stop_) {
    thread_ = std::thread([this] { run(); });
  } else {
    log_.warning("no questions are answered: " + errno_text(errno));
  }
}

void QuestionServer::run() {
  std::array<pollfd, 2> sources{{{stop_.get(), POLLIN, 0}, {socket_.descriptor(), POLLIN, 0}}};
  while (true) {
    (void)::poll(sources.data(), sources.size(), -1);
    if (sources[0].revents != 0) return;
    const Descriptor connection(
        ::accept4(socket_.descriptor(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (connection) {
      serve(connection.get());
    } else if (errno != EAGAIN && errno != ECONNABORTED) {
      log_.warning("cannot take a question: " + errno_text(errno));
      (void)::poll(sources.data(), 1, kPauseMs);
    }
  }
}

void QuestionServer::serve(int connection) {
  const auto question = receive_question(connection, patience_from_now());
  Answer answer{kWrongQuestion, {}};
  if (question) {
    std::shared_ptr<const Served> served;
    {
      const std::lock_guard lock(mutex_);
      served = served_;
    }
    answer = answer_(*served, *question);
  } else {
    answer.text = question.error().detail;
  }
  // Who does not wait for the answer has lost it; the next one is to be served.
  (void)send_answer(connection, answer, patience_from_now());
}

Patience QuestionServer::patience_from_now() const {
  return {.deadline = std::chrono::steady_clock::now() + patience_, .wake = stop_.get()};
}

}  // namespace ocsproxy
