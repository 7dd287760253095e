#include "base/free_list.h"

#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace ocsproxy {
namespace {

TEST(FreeList, gives_blocks_of_every_size_that_are_aligned_and_do_not_overlap) {
  struct Held {
    char* block;
    std::size_t size;
    char mark;
  };
  std::vector<Held> held;
  for (std::size_t size = 0; size < 200'000; size += size < 2'000 ? 1 : 997) {
    auto* const block = static_cast<char*>(free_list::allocate(size));
    ASSERT_NE(block, nullptr);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block) % 16, 0U) << size;
    held.push_back({block, size, static_cast<char>(size % 251)});
    std::memset(block, held.back().mark, size);
  }
  for (const Held& one : held) {
    for (std::size_t i = 0; i < one.size; ++i) ASSERT_EQ(one.block[i], one.mark) << one.size;
    free_list::release(one.block);
  }
}

TEST(FreeList, keeps_what_it_gave_when_a_block_grows) {
  auto* block = static_cast<char*>(free_list::reallocate(nullptr, 10));
  std::strcpy(block, "123456789");
  for (std::size_t size = 20; size < 300'000; size *= 3) {
    block = static_cast<char*>(free_list::reallocate(block, size));
    ASSERT_STREQ(block, "123456789") << size;
  }
  free_list::release(block);
}

TEST(FreeList, takes_a_block_that_another_thread_gave) {
  void* block = nullptr;
  std::thread([&] { block = free_list::allocate(100); }).join();
  std::memset(block, 1, 100);
  free_list::release(block);
}

#ifndef OCSPROXY_SANITIZED
TEST(FreeList, gives_all_that_nobody_uses_back_to_the_system) {
  void* const used = free_list::allocate(1'000);
  free_list::release(free_list::allocate(5'000));
  free_list::trim();
  const std::uint64_t before = free_list::system_calls();
  void* const again = free_list::allocate(5'000);
  EXPECT_EQ(free_list::system_calls(), before + 1);
  free_list::release(again);
  free_list::release(used);
}

TEST(FreeList, gives_back_what_nobody_used_since_it_was_last_asked_but_for_a_little) {
  constexpr std::size_t kSize = 4'096, kMany = 1'000, kKept = 16;
  const auto use = [](std::size_t count) {
    std::vector<void*> blocks;
    for (std::size_t i = 0; i < count; ++i) blocks.push_back(free_list::allocate(kSize));
    for (void* const block : blocks) free_list::release(block);
  };
  free_list::trim();
  use(kMany);
  EXPECT_EQ(free_list::trim_unused(), 0U);  // all were in use
  use(kMany / 2);
  EXPECT_EQ(free_list::trim_unused(), (kMany / 2 - kKept) * kSize);
  EXPECT_EQ(free_list::trim_unused(), kMany / 2 * kSize);
  EXPECT_EQ(free_list::trim_unused(), 0U);
  const std::uint64_t before = free_list::system_calls();
  use(kKept);
  EXPECT_EQ(free_list::system_calls(), before);
}

TEST(FreeList, asks_the_system_for_nothing_that_came_back) {
  const auto use_all = [] {
    std::vector<void*> blocks;
    for (std::size_t size = 1; size <= 100'000; size += 1'000) {
      blocks.push_back(free_list::allocate(size));
    }
    for (void* const block : blocks) free_list::release(block);
  };
  use_all();
  const std::uint64_t before = free_list::system_calls();
  for (int i = 0; i < 100; ++i) use_all();
  EXPECT_EQ(free_list::system_calls(), before);
}

TEST(FreeList, keeps_only_so_much_of_one_size) {
  std::vector<void*> blocks;
  for (int i = 0; i < 10'000; ++i) blocks.push_back(free_list::allocate(4'096));
  const std::uint64_t before = free_list::system_calls();
  for (void* const block : blocks) free_list::release(block);
  // 8 MiB are 2048 of them; the others went back.
  EXPECT_EQ(free_list::system_calls() - before, 10'000U - 2'048U);
}
#endif

}  // namespace
}  // namespace ocsproxy
