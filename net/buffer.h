// The fixed buffer of one direction of an exchange. Taken from the free lists when bytes are there,
// given back when the request is over: idle connections hold none.
#pragma once

#include <cstddef>
#include <new>
#include <span>
#include <utility>

#include "base/free_list.h"

namespace ocsproxy {

// The contents of four full TLS records fit (64 KiB; more gained nothing measurable), with room for
// a head in front. One owner; empty until `take`n.
class Buffer {
 public:
  static constexpr std::size_t kSize = std::size_t{80} * 1024;

  Buffer() = default;
  Buffer(Buffer&& other) noexcept : data_(std::exchange(other.data_, nullptr)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    if (this != &other) {
      free_list::release(data_);
      data_ = std::exchange(other.data_, nullptr);
    }
    return *this;
  }
  ~Buffer() { free_list::release(data_); }

  // Throws std::bad_alloc when memory is out, which ends the connection (net/task.h).
  static Buffer take() {
    Buffer buffer;
    buffer.data_ = static_cast<char*>(free_list::allocate(kSize));
    if (buffer.data_ == nullptr) throw std::bad_alloc();
    return buffer;
  }
  void give_back() { free_list::release(std::exchange(data_, nullptr)); }

  explicit operator bool() const { return data_ != nullptr; }
  char* data() const { return data_; }
  std::span<char> span(std::size_t from = 0, std::size_t to = kSize) const {
    return {data_ + from, to - from};
  }

 private:
  char* data_ = nullptr;
};

}  // namespace ocsproxy
