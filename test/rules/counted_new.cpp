#include "counted_new.h"

#include <cstdlib>
#include <new>

namespace {
thread_local int count = 0;  // operator new has no other place to count
}  // namespace

void* operator new(std::size_t size) {
  ++count;
  if (void* block = std::malloc(size)) return block;
  throw std::bad_alloc();
}
void operator delete(void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t) noexcept { std::free(block); }

int ocsproxy::rules::allocations() { return count; }
