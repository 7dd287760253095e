// How many descriptors the process may have open.
#pragma once

namespace ocsproxy {

// Raises the soft limit, which is 1024 on most systems so that select(2) keeps working in old
// programs, to the hard one. A connection takes two descriptors, so 1024 would be the end at some
// 500 clients. Inherited by the processes started afterwards.
void raise_descriptor_limit();

}  // namespace ocsproxy
