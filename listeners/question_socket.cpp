#include "listeners/question_socket.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <limits>
#include <optional>

namespace ocsproxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// A question: this line, and the text, up to the end of the stream. An answer: the same line, a
// line with the exit status and the number of bytes, and the text.
constexpr std::string_view kGreeting = "ocsproxy questions 1\n";
constexpr std::size_t kNoLimit = std::numeric_limits<std::size_t>::max();
constexpr int kWaiting = 16;  // clients that have not been answered yet

Error failed(const std::string& path, const std::string& why, ErrorKind kind = ErrorKind::system) {
  return Error{.kind = kind, .detail = "the socket " + path + ": " + why};
}

Result<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return failed(path, "the path of a socket has at most " +
                            std::to_string(sizeof address.sun_path - 1) + " bytes");
  }
  path.copy(address.sun_path, path.size());
  return address;
}

int call(int (*how)(int, const sockaddr*, socklen_t), int socket, const sockaddr_un& address) {
  return how(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ? 0 : errno;
}

Result<Descriptor> new_socket(const std::string& path) {
  Descriptor made(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!made) return failed(path, errno_text(errno));
  return made;
}

// Removes the file of a socket that nobody listens at.
Status remove_stale(const std::string& path, const sockaddr_un& address) {
  struct stat file {};
  if (::lstat(path.c_str(), &file) != 0) return failed(path, errno_text(errno));
  if (!S_ISSOCK(file.st_mode)) {
    return failed(path, "there is a file of this name that is no socket; name another path");
  }
  const auto probe = new_socket(path);
  if (!probe) return probe.error();
  if (call(::connect, probe->get(), address) != ECONNREFUSED) {
    return failed(path, "a process listens there; end it, or name another path");
  }
  if (::unlink(path.c_str()) != 0) return failed(path, errno_text(errno));
  return Done{};
}

Result<Descriptor> connect_to(const std::string& path) {
  const auto address = address_of(path);
  if (!address) return address.error();
  auto socket = new_socket(path);
  if (!socket) return socket;
  switch (const int error = call(::connect, socket->get(), *address)) {
    case 0:
      return socket;
    case ENOENT:
      return failed(path, "there is none; a proxy that was started with --socket makes it");
    case ECONNREFUSED:
      return failed(path, "nobody listens there: the proxy that made it is gone");
    case EACCES:
      return failed(path, "this account may not ask there; its owner and root may");
    case EAGAIN:
      return failed(path, "the proxy is busy with other questions; try again");
    default:
      return failed(path, errno_text(error));
  }
}

// False when the time is over, or the waiter is woken.
bool wait_for(int connection, short events, const Patience& patience) {
  const auto left = std::chrono::ceil<milliseconds>(patience.deadline - steady_clock::now());
  std::array<pollfd, 2> sources{{{connection, events, 0}, {patience.wake, POLLIN, 0}}};
  const auto wait = static_cast<int>(std::max(left, milliseconds(0)).count());
  const int ready = ::poll(sources.data(), sources.size(), wait);
  if (ready < 0) return errno == EINTR;
  return ready > 0 && sources[1].revents == 0;
}

Error too_late() {
  return Error{.kind = ErrorKind::timeout, .detail = "the other side took too long"};
}

Status send_all(int connection, std::string_view bytes, const Patience& patience) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(connection, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno != EAGAIN && errno != EINTR) {
      return Error{.kind = ErrorKind::closed, .detail = errno_text(errno)};
    } else if (!wait_for(connection, POLLOUT, patience)) {
      return too_late();
    }
  }
  return Done{};
}

// All that comes up to the end of the stream. Stops above `most` bytes.
Result<std::string> receive_all(int connection, std::size_t most, const Patience& patience) {
  std::string bytes;
  std::array<char, 16'384> buffer;
  while (bytes.size() <= most) {
    const ssize_t got = ::recv(connection, buffer.data(), buffer.size(), 0);
    if (got == 0) return bytes;
    if (got > 0) {
      bytes.append(buffer.data(), static_cast<std::size_t>(got));
    } else if (errno != EAGAIN && errno != EINTR) {
      return Error{.kind = ErrorKind::closed, .detail = errno_text(errno)};
    } else if (!wait_for(connection, POLLIN, patience)) {
      return too_late();
    }
  }
  return bytes;
}

std::string answer_head(const Answer& answer) {
  return std::string(kGreeting) + std::to_string(answer.status) + ' ' +
         std::to_string(answer.text.size()) + '\n';
}

// Nothing when it is no answer, or a part of one.
std::optional<Answer> parse_answer(std::string received) {
  if (!received.starts_with(kGreeting)) return std::nullopt;
  const std::size_t line_end = received.find('\n', kGreeting.size());
  if (line_end == std::string::npos) return std::nullopt;
  const char* const end = received.data() + line_end;
  Answer answer;
  std::size_t size = 0;
  const auto status = std::from_chars(received.data() + kGreeting.size(), end, answer.status);
  if (status.ec != std::errc() || status.ptr == end) return std::nullopt;
  const auto length = std::from_chars(status.ptr + 1, end, size);
  if (length.ec != std::errc() || length.ptr != end) return std::nullopt;
  answer.text = std::move(received).substr(line_end + 1);
  if (answer.text.size() != size) return std::nullopt;
  return answer;
}

}  // namespace

QuestionSocket::QuestionSocket(Descriptor socket, std::string path)
    : socket_(std::move(socket)), path_(std::move(path)), owner_(::getpid()) {}

QuestionSocket::~QuestionSocket() {
  if (socket_ && owner_ == ::getpid()) (void)::unlink(path_.c_str());
}

Result<QuestionSocket> QuestionSocket::bind(const std::string& path) {
  const auto address = address_of(path);
  if (!address) return address.error();
  auto socket = new_socket(path);
  if (!socket) return std::move(socket).error();
  // There must be no moment in which others may open it.
  const mode_t before = ::umask(0177);
  int error = call(::bind, socket->get(), *address);
  if (error == EADDRINUSE) {
    if (const Status removed = remove_stale(path, *address); !removed) {
      ::umask(before);
      return removed.error();
    }
    error = call(::bind, socket->get(), *address);
  }
  ::umask(before);
  if (error != 0) return failed(path, "cannot be made: " + errno_text(error));
  QuestionSocket bound(*std::move(socket), path);
  if (::listen(bound.descriptor(), kWaiting) != 0) return failed(path, errno_text(errno));
  return bound;
}

Result<Answer> ask(const std::string& path, std::string_view question, milliseconds patience) {
  if (question.size() > kLongestQuestion) {
    return Error{
        .kind = ErrorKind::too_large,
        .detail = "the question is longer than " + std::to_string(kLongestQuestion) + " bytes"};
  }
  const auto connection = connect_to(path);
  if (!connection) return connection.error();
  const Patience until{.deadline = steady_clock::now() + patience};
  // Whoever refuses a question need not read it to the end, so the answer matters and not this.
  if (send_all(connection->get(), std::string(kGreeting).append(question), until)) {
    ::shutdown(connection->get(), SHUT_WR);
  }
  auto received = receive_all(connection->get(), kNoLimit, until);
  if (!received && received.error().kind == ErrorKind::timeout) {
    return failed(path, "the proxy does not answer; its log may say why", ErrorKind::timeout);
  }
  auto answer = received ? parse_answer(*std::move(received)) : std::nullopt;
  if (!answer) {
    return failed(path,
                  "what answers there is no ocsproxy, or one of another version; ask it with "
                  "the program that it was started from");
  }
  return *std::move(answer);
}

Result<std::string> receive_question(int connection, const Patience& patience) {
  auto received = receive_all(connection, kGreeting.size() + kLongestQuestion, patience);
  if (!received) return received;
  if (!received->starts_with(kGreeting)) {
    return Error{.kind = ErrorKind::malformed,
                 .detail =
                     "what was asked is not understood; ask with the program that the proxy "
                     "was started from"};
  }
  received->erase(0, kGreeting.size());
  if (received->size() > kLongestQuestion) {
    return Error{
        .kind = ErrorKind::too_large,
        .detail = "the question is longer than " + std::to_string(kLongestQuestion) + " bytes"};
  }
  return received;
}

Status send_answer(int connection, const Answer& answer, const Patience& patience) {
  if (Status head = send_all(connection, answer_head(answer), patience); !head) return head;
  return send_all(connection, answer.text, patience);
}

}  // namespace ocsproxy
