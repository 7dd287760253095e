// The socket at which a running proxy answers questions about what it serves: both of its ends. A
// question is one text, and so is its answer. Whoever may open the socket may ask, and can change
// nothing by it; its file is for its owner alone (and root).
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

#include "base/descriptor.h"
#include "base/error.h"

namespace ocsproxy {

// A longer question is refused. Far above the largest request head.
inline constexpr std::size_t kLongestQuestion = std::size_t{256} * 1024;

struct Answer {
  int status = 0;    // the exit status of whoever asked; 0: `text` is the answer
  std::string text;  // else one sentence: why there is none
};

// The proxy's end: a file that is there for as long as this object.
class QuestionSocket {
 public:
  // A file that an ended proxy left at `path` is replaced. Fails when a proxy answers there, or the
  // file is something else. No other thread may make files meanwhile.
  static Result<QuestionSocket> bind(const std::string& path);
  QuestionSocket(QuestionSocket&&) = default;
  QuestionSocket& operator=(QuestionSocket&&) = delete;
  // In the process that bound it, and in no child, removes the file.
  ~QuestionSocket();

  // Listens, and does not block. Stays the socket's.
  int descriptor() const { return socket_.get(); }

 private:
  QuestionSocket(Descriptor socket, std::string path);

  Descriptor socket_;
  std::string path_;
  pid_t owner_;
};

// The other end: asks, and waits for the whole answer, at most `patience`.
Result<Answer> ask(const std::string& path, std::string_view question,
                   std::chrono::milliseconds patience);

// What both ends say over a connection, at most until `deadline`. `wake` is a descriptor that ends
// the waiting by becoming readable, or -1.
struct Patience {
  std::chrono::steady_clock::time_point deadline;
  int wake = -1;
};
Result<std::string> receive_question(int connection, const Patience& patience);
Status send_answer(int connection, const Answer& answer, const Patience& patience);

}  // namespace ocsproxy
