#include "listeners/descriptor_limit.h"

#include <sys/resource.h>

namespace ocsproxy {

void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  // Always permitted. Were it not, the acceptor says so when the descriptors are used up.
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace ocsproxy
