#include "net/pipe_pool.h"

#include <fcntl.h>

#include <utility>

namespace ocsproxy {
namespace {

// Each is two descriptors, and counts against what the kernel lets one user have in pipes.
constexpr std::size_t kMostIdle = 32;
// 64 slots. A user with too many pipes gets two slots in each, and with few free slots the kernel
// loses bytes of a record that it opens (tls_sw_splice_read of Linux 6.1): no pipe is better.
constexpr int kCapacity = 256 * 1024;

}  // namespace

Pipe PipePool::take() {
  if (!idle_.empty()) {
    Pipe pipe = std::move(idle_.back());
    idle_.pop_back();
    return pipe;
  }
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return {};
  Pipe pipe{Descriptor(ends[0]), Descriptor(ends[1])};
  return ::fcntl(ends[1], F_SETPIPE_SZ, kCapacity) >= kCapacity ? std::move(pipe) : Pipe();
}

void PipePool::give_back(Pipe pipe) {
  if (idle_.size() < kMostIdle) idle_.push_back(std::move(pipe));
}

}  // namespace ocsproxy
