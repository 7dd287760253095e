// How often each reason to refuse a request was given.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/counter.h"

namespace ocsproxy {

// Reasons are literals, so there are few, and an address is enough to find one again. Added to by
// one thread, read by any. Constant in size: reasons that have no place are counted together.
class RefusalCounts {
 public:
  static constexpr std::size_t kPlaces = 128;

  // `why` is a literal.
  void add(std::uint16_t status, std::string_view why) {
    const std::size_t hash = reinterpret_cast<std::uintptr_t>(why.data()) >> 2;
    for (std::size_t i = 0; i < kPlaces; ++i) {
      Place& place = places_[(hash + i) % kPlaces];
      const char* const text = place.text.load(std::memory_order_relaxed);
      if (text == nullptr) {
        place.size = why.size();
        place.status = status;
        place.count.add();
        place.text.store(why.data(), std::memory_order_release);
        return;
      }
      if (text == why.data() && place.size == why.size() && place.status == status) {
        place.count.add();
        return;
      }
    }
    others_.add();
  }

  // visit(status, why, count) for each reason that was given.
  void for_each(const auto& visit) const {
    for (const Place& place : places_) {
      const char* const text = place.text.load(std::memory_order_acquire);
      if (text != nullptr)
        visit(place.status, std::string_view(text, place.size), place.count.value());
    }
  }
  // Without a place of their own.
  std::uint64_t others() const { return others_.value(); }

 private:
  struct Place {
    std::atomic<const char*> text{nullptr};  // set once, when the rest is
    std::size_t size = 0;
    std::uint64_t status = 0;
    Counter count;
  };
  std::array<Place, kPlaces> places_;
  Counter others_;
};

}  // namespace ocsproxy
