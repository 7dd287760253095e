#include "base/free_list.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <new>

namespace ocsproxy::free_list {
namespace {

// In front of each block: its class, so that `release` needs no size. 16 bytes keep the alignment.
struct alignas(16) Header {
  std::uint32_t size_class;
  std::uint32_t reserved;
  std::size_t capacity;
};

constexpr std::uint32_t kClasses = 48;
constexpr std::uint32_t kNoClass = 0xffffffff;
// How many bytes of a class one thread keeps at most; what is released above goes back to malloc.
constexpr std::size_t kKeptBytes = 8u << 20;
constexpr std::uint32_t kKeptBlocks = 4096;
// And how many it keeps although nobody uses them.
constexpr std::size_t kAlwaysKeptBytes = 64u << 10;

// Four classes to a power of two from 32 bytes on, so that at most a fifth is wasted:
// 32, 40, 48, 56, 64, 80, 96, ... up to 128 KiB.
constexpr std::uint32_t kSmallestBits = 5;
constexpr std::size_t kSmallest = std::size_t{1} << kSmallestBits;
constexpr std::size_t class_size(std::uint32_t index) {
  const std::size_t base = kSmallest << (index / 4);
  return base + base / 4 * (index % 4);
}
[[maybe_unused]] constexpr std::size_t kLargest = class_size(kClasses - 1);

constexpr std::uint32_t class_of(std::size_t size) {
  if (size <= kSmallest) return 0;
  const auto bits = static_cast<std::uint32_t>(std::bit_width(size - 1) - 1);
  const auto quarter = static_cast<std::uint32_t>((size - 1) >> (bits - 2)) & 3;
  return (bits - kSmallestBits) * 4 + quarter + 1;
}

constexpr bool classes_fit() {
  for (std::uint32_t index = 0; index < kClasses; ++index) {
    if (class_of(class_size(index)) != index) return false;
    if (index + 1 < kClasses && class_of(class_size(index) + 1) != index + 1) return false;
  }
  return true;
}
static_assert(classes_fit());

[[maybe_unused]] constexpr std::array<std::uint32_t, kClasses> kKept = [] {
  std::array<std::uint32_t, kClasses> kept{};
  for (std::uint32_t index = 0; index < kClasses; ++index) {
    kept[index] = static_cast<std::uint32_t>(
        std::min<std::size_t>(kKeptBytes / class_size(index), kKeptBlocks));
  }
  return kept;
}();

struct Block {
  Block* next;
};

// Zero to begin with and without a destructor, so that reaching it costs one instruction.
struct ThreadLists {
  Block* head[kClasses];
  std::uint32_t count[kClasses];
  std::uint32_t least[kClasses];  // of `count`, since trim_unused
  std::uint64_t system_calls;
  bool guarded;  // the thread's end gives the blocks back
  bool closed;   // it has
};
constinit thread_local ThreadLists mine{};

void give_back(std::uint32_t index, std::uint32_t blocks) noexcept {
  Block*& first = mine.head[index];
  mine.count[index] -= blocks;
  for (; blocks > 0; --blocks) {
    Block* const next = first->next;
    std::free(reinterpret_cast<char*>(first) - sizeof(Header));
    first = next;
  }
}

void give_all_back() noexcept {
  for (std::uint32_t index = 0; index < kClasses; ++index) {
    give_back(index, mine.count[index]);
    mine.least[index] = 0;
  }
}

struct Guard {
  Guard() { mine.guarded = true; }
  ~Guard() {
    give_all_back();
    mine.closed = true;
  }
};

[[maybe_unused, gnu::noinline]] void guard_this_thread() { thread_local const Guard guard; }

void* from_system(std::size_t capacity, std::uint32_t size_class) noexcept {
  void* const raw = std::malloc(sizeof(Header) + capacity);
  if (raw == nullptr) return nullptr;
  auto* const header = new (raw) Header{size_class, 0, capacity};
  return header + 1;
}

Header* header_of(void* block) { return static_cast<Header*>(block) - 1; }

}  // namespace

void* allocate(std::size_t size) noexcept {
#ifdef OCSPROXY_SANITIZED
  return from_system(size, kNoClass);
#else
  if (size > kLargest || mine.closed) {
    ++mine.system_calls;
    return from_system(size, kNoClass);
  }
  const std::uint32_t index = class_of(size);
  if (Block* const block = mine.head[index]; block != nullptr) {
    mine.head[index] = block->next;
    mine.least[index] = std::min(mine.least[index], --mine.count[index]);
    return block;
  }
  ++mine.system_calls;
  return from_system(class_size(index), index);
#endif
}

void release(void* block) noexcept {
  if (block == nullptr) return;
  Header* const header = header_of(block);
#ifndef OCSPROXY_SANITIZED
  const std::uint32_t index = header->size_class;
  if (index != kNoClass && !mine.closed && mine.count[index] < kKept[index]) {
    if (!mine.guarded) guard_this_thread();
    mine.head[index] = new (block) Block{mine.head[index]};
    ++mine.count[index];
    return;
  }
  ++mine.system_calls;
#endif
  std::free(header);
}

void* reallocate(void* block, std::size_t size) noexcept {
  if (block == nullptr) return allocate(size);
  const std::size_t capacity = header_of(block)->capacity;
#ifndef OCSPROXY_SANITIZED
  if (size <= capacity) return block;
#endif
  void* const larger = allocate(size);
  if (larger == nullptr) return nullptr;
  std::memcpy(larger, block, capacity < size ? capacity : size);
  release(block);
  return larger;
}

void trim() noexcept { give_all_back(); }

std::size_t trim_unused() noexcept {
  std::size_t bytes = 0;
  for (std::uint32_t index = 0; index < kClasses; ++index) {
    const auto kept = static_cast<std::uint32_t>(kAlwaysKeptBytes / class_size(index));
    const std::uint32_t unused = mine.least[index] > kept ? mine.least[index] - kept : 0;
    give_back(index, unused);
    bytes += unused * class_size(index);
    mine.least[index] = mine.count[index];
  }
  return bytes;
}

std::uint64_t system_calls() noexcept { return mine.system_calls; }

}  // namespace ocsproxy::free_list
