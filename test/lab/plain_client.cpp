#include "test/lab/plain_client.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <stdexcept>

#include "base/text.h"
#include "base/units.h"

namespace ocsproxy::lab {

std::vector<std::string> Answer::values(std::string_view name) const {
  std::vector<std::string> found;
  for (std::string_view rest = head; !rest.empty();) {
    const std::size_t end = std::min(rest.find("\r\n"), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 2, rest.size()));
    const std::size_t colon = line.find(':');
    if (colon != std::string_view::npos && iequals(line.substr(0, colon), name)) {
      found.emplace_back(trim(line.substr(colon + 1)));
    }
  }
  return found;
}

std::string Answer::value(std::string_view name) const {
  const auto all = values(name);
  return all.empty() ? "" : all.front();
}

PlainClient::PlainClient(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
  const timeval patience{10, 0};
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    throw std::runtime_error("cannot connect to the pool");
  }
}

void PlainClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) throw std::runtime_error("cannot send: " + std::to_string(errno));
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

Answer PlainClient::ask(std::string_view method, std::string_view target, std::string_view lines,
                        std::string_view body) {
  std::string request = std::string(method) + ' ' + std::string(target) +
                        " HTTP/1.1\r\nHost: ocspool.contoso.local\r\n" + std::string(lines);
  if (!body.empty() || method == "POST") {
    request += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  }
  send(request + "\r\n" + std::string(body));
  return read_answer(method == "HEAD");
}

bool PlainClient::fill() {
  std::array<char, 65536> bytes{};
  const ssize_t size = ::recv(socket_.get(), bytes.data(), bytes.size(), 0);
  if (size < 0 && errno == ECONNRESET) {
    reset_ = true;
    return false;
  }
  if (size < 0) throw std::runtime_error("nothing came: " + std::to_string(errno));
  pending_.append(bytes.data(), static_cast<std::size_t>(size));
  return size > 0;
}

std::string PlainClient::read_line() {
  std::size_t end = 0;
  while ((end = pending_.find("\r\n")) == std::string::npos) {
    if (!fill()) throw std::runtime_error("the stream ended inside a line: " + pending_);
  }
  std::string line = pending_.substr(0, end);
  pending_.erase(0, end + 2);
  return line;
}

std::string PlainClient::read_exactly(std::size_t size) {
  while (pending_.size() < size) {
    if (!fill()) throw std::runtime_error("the stream ended early: " + pending_);
  }
  std::string bytes = pending_.substr(0, size);
  pending_.erase(0, size);
  return bytes;
}

std::string PlainClient::read_chunks() {
  std::string body;
  while (true) {
    const std::string line = read_line();
    const std::size_t size = std::stoul(line, nullptr, 16);
    if (size == 0) break;
    body += read_exactly(size);
    read_line();
  }
  while (!read_line().empty()) {
  }
  return body;
}

Answer PlainClient::read_answer(bool bodiless) {
  Answer answer;
  while (true) {
    const std::string line = read_line();
    if (line.empty()) break;
    answer.head += line + "\r\n";
  }
  answer.status = std::stoi(answer.head.substr(answer.head.find(' ') + 1));
  if (bodiless || answer.status < 200 || answer.status == 204 || answer.status == 304) {
    return answer;
  }
  if (const auto length = parse_number(answer.value("Content-Length"))) {
    answer.body = read_exactly(*length);
  } else if (!answer.value("Transfer-Encoding").empty()) {
    answer.body = read_chunks();
  } else {
    answer.body = read_to_end();
  }
  return answer;
}

std::string PlainClient::read_to_end(bool* reset) {
  while (fill()) {
  }
  if (reset != nullptr) *reset = reset_;
  return std::exchange(pending_, "");
}

void PlainClient::finish_sending() { ::shutdown(socket_.get(), SHUT_WR); }

}  // namespace ocsproxy::lab
