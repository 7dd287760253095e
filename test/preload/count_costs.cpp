// Preloaded into the program under test: counts how often it asks the system's allocator for
// memory, and how many bytes it copies, in a file that the test reads while the program runs (the
// path is in COUNT_COSTS; two numbers of 8 bytes). Counted are malloc, calloc, realloc and the
// aligned forms (operator new comes here through malloc), and what memcpy and memmove are called
// for, by the program and by its libraries; copies of a few bytes, which compilers write out, are
// not seen.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>

extern "C" {
// glibc's own, under the names that it keeps for those who replace the public ones.
void* __libc_malloc(std::size_t size);                           // NOLINT
void* __libc_calloc(std::size_t count, std::size_t size);        // NOLINT
void* __libc_realloc(void* block, std::size_t size);             // NOLINT
void* __libc_memalign(std::size_t alignment, std::size_t size);  // NOLINT
}

namespace {

using Counter = std::atomic<unsigned long>;
static_assert(Counter::is_always_lock_free && sizeof(Counter) == 8);

struct Costs {
  Counter allocations;
  Counter copied;
};

Costs nowhere;
std::atomic<Costs*> costs{&nowhere};
using Copy = void* (*)(void*, const void*, std::size_t);
Copy real_memmove = nullptr;

[[gnu::constructor]] void open_counter() {
  real_memmove = reinterpret_cast<Copy>(::dlsym(RTLD_NEXT, "memmove"));
  const char* const path = std::getenv("COUNT_COSTS");
  if (path == nullptr) return;
  const int fd = ::open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  void* const memory = ::mmap(nullptr, sizeof(Costs), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  ::close(fd);
  if (memory != MAP_FAILED) costs = static_cast<Costs*>(memory);
}

void count() {
  costs.load(std::memory_order_relaxed)->allocations.fetch_add(1, std::memory_order_relaxed);
}

// memcpy may be answered by it too.
void* copy(void* to, const void* from, std::size_t size) {
  costs.load(std::memory_order_relaxed)->copied.fetch_add(size, std::memory_order_relaxed);
  if (real_memmove != nullptr) return real_memmove(to, from, size);
  // Before this library is set up. Volatile, or it would become a call of itself.
  auto* const out = static_cast<volatile unsigned char*>(to);
  const auto* const in = static_cast<const unsigned char*>(from);
  if (out < in) {
    for (std::size_t i = 0; i < size; ++i) out[i] = in[i];
  } else {
    for (std::size_t i = size; i-- > 0;) out[i] = in[i];
  }
  return to;
}

}  // namespace

extern "C" {

void* memcpy(void* to, const void* from, std::size_t size) noexcept { return copy(to, from, size); }
void* memmove(void* to, const void* from, std::size_t size) noexcept {
  return copy(to, from, size);
}
void* __memcpy_chk(void* to, const void* from, std::size_t size, std::size_t) noexcept {  // NOLINT
  return copy(to, from, size);
}
void* __memmove_chk(void* to, const void* from, std::size_t size, std::size_t) noexcept {  // NOLINT
  return copy(to, from, size);
}
void* malloc(std::size_t size) noexcept {
  count();
  return __libc_malloc(size);
}
void* calloc(std::size_t number, std::size_t size) noexcept {
  count();
  return __libc_calloc(number, size);
}
void* realloc(void* block, std::size_t size) noexcept {
  count();
  return __libc_realloc(block, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
  count();
  return __libc_memalign(alignment, size);
}
int posix_memalign(void** block, std::size_t alignment, std::size_t size) noexcept {
  count();
  *block = __libc_memalign(alignment, size);
  return *block != nullptr ? 0 : ENOMEM;
}
}
