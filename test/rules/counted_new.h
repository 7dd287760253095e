// This test binary's operator new counts what it hands out.
#pragma once

namespace ocsproxy::rules {

// By the calling thread, since it started.
int allocations();

}  // namespace ocsproxy::rules
