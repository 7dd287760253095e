// The allocator under the data path: per-thread free lists by size class, so that the steady state
// calls nothing below them. Coroutine frames, buffers and (through CRYPTO_set_mem_functions) all
// that OpenSSL allocates come from here. Off under sanitizers, where each block is its own malloc.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ocsproxy::free_list {

// A block of at least `size` bytes, aligned to 16; nullptr when memory is out. Any thread.
void* allocate(std::size_t size) noexcept;
// Gives a block back, to the lists of the calling thread.
void release(void* block) noexcept;
// Like realloc(3) for blocks of this allocator.
void* reallocate(void* block, std::size_t size) noexcept;

// Gives back to the system what the calling thread keeps and nobody uses.
void trim() noexcept;
// The same of what nobody has used since this was last called, but for a little of each size.
// Called now and then, it ends what a flood has left behind, and what the steady state uses stays.
// Returns how many bytes went back.
std::size_t trim_unused() noexcept;

// How often the calling thread had to ask the system allocator since it started: a test holds the
// steady state to zero growth.
std::uint64_t system_calls() noexcept;

}  // namespace ocsproxy::free_list
