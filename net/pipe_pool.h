// The pipes of one worker, through which bodies are spliced from socket to socket.
#pragma once

#include <cstddef>
#include <vector>

#include "base/descriptor.h"

namespace ocsproxy {

// Both ends, which never block.
struct Pipe {
  Descriptor out;  // what was put in comes out here
  Descriptor in;
  explicit operator bool() const { return static_cast<bool>(in); }
};

// Worker's thread only.
class PipePool {
 public:
  // Empty when the process has no descriptors left, or the user no room for pipes.
  Pipe take();
  // `pipe` holds no bytes: what is in it would become part of another body.
  void give_back(Pipe pipe);

 private:
  std::vector<Pipe> idle_;
};

}  // namespace ocsproxy
