// A client that sends and receives exact bytes over plain TCP. Nothing waits longer than ten
// seconds: what has not come by then fails the test.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/descriptor.h"

namespace ocsproxy::lab {

struct Answer {
  int status = 0;
  std::string head;
  std::string body;  // chunked coding removed
  std::vector<std::string> values(std::string_view name) const;
  std::string value(std::string_view name) const;  // the first, or ""
};

class PlainClient {
 public:
  explicit PlainClient(std::uint16_t port);

  void send(std::string_view bytes);
  // Sends `METHOD target` with Host and these lines ("Name: value\r\n"...), and reads the answer.
  Answer ask(std::string_view method, std::string_view target, std::string_view lines = "",
             std::string_view body = "");
  // The next answer, interim ones included.
  Answer read_answer(bool bodiless = false);
  // What comes until the end of the stream; "reset" is set when it ended with one.
  std::string read_to_end(bool* reset = nullptr);
  // `size` bytes.
  std::string read_exactly(std::size_t size);
  // The client leaves.
  void close() { socket_.reset(); }
  void finish_sending();

 private:
  // False at the end of the stream.
  bool fill();
  std::string read_line();
  std::string read_chunks();

  Descriptor socket_;
  std::string pending_;
  bool reset_ = false;
};

}  // namespace ocsproxy::lab
