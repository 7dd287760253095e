// Preloaded into the program under test: while the test says so, each n-th request of a worker
// thread for memory fails. The file whose path is in FAIL_ALLOCATIONS has two numbers of 8 bytes: n
// (0: none fails), and how many have failed. Workers are known by the name of their thread.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>

extern "C" {
// glibc's own, under the names that it keeps for those who replace the public ones.
void* __libc_malloc(std::size_t size);                           // NOLINT
void* __libc_calloc(std::size_t count, std::size_t size);        // NOLINT
void* __libc_realloc(void* block, std::size_t size);             // NOLINT
void* __libc_memalign(std::size_t alignment, std::size_t size);  // NOLINT
}

namespace {

using Number = std::atomic<unsigned long>;
static_assert(Number::is_always_lock_free && sizeof(Number) == 8);

struct Control {
  Number every;
  Number failed;
};

Control nothing;
std::atomic<Control*> control{&nothing};
Number asked;

[[gnu::constructor]] void open_control() {
  const char* const path = std::getenv("FAIL_ALLOCATIONS");
  if (path == nullptr) return;
  const int fd = ::open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  void* const memory = ::mmap(nullptr, sizeof(Control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  ::close(fd);
  if (memory != MAP_FAILED) control = static_cast<Control*>(memory);
}

bool is_worker() {
  char name[17] = {};
  return ::prctl(PR_GET_NAME, name) == 0 && std::strncmp(name, "worker-", 7) == 0;
}

bool fails() {
  Control& now = *control.load(std::memory_order_relaxed);
  const unsigned long every = now.every.load(std::memory_order_relaxed);
  if (every == 0 || !is_worker()) return false;
  if (asked.fetch_add(1, std::memory_order_relaxed) % every != every - 1) return false;
  now.failed.fetch_add(1, std::memory_order_relaxed);
  errno = ENOMEM;
  return true;
}

}  // namespace

extern "C" {

void* malloc(std::size_t size) noexcept { return fails() ? nullptr : __libc_malloc(size); }
void* calloc(std::size_t number, std::size_t size) noexcept {
  return fails() ? nullptr : __libc_calloc(number, size);
}
void* realloc(void* block, std::size_t size) noexcept {
  return fails() ? nullptr : __libc_realloc(block, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
  return fails() ? nullptr : __libc_memalign(alignment, size);
}
int posix_memalign(void** block, std::size_t alignment, std::size_t size) noexcept {
  *block = fails() ? nullptr : __libc_memalign(alignment, size);
  return *block != nullptr ? 0 : ENOMEM;
}
}
