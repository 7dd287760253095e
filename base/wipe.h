// Forgetting for good what was secret.
#pragma once

#include <cstring>
#include <string>

namespace ocsproxy {

// Wipes a text that held a secret, and empties it. The compiler may not leave it out.
inline void wipe(std::string& text) {
  explicit_bzero(text.data(), text.size());
  text.clear();
}

// Wipes a text at the end of the block.
class WipeAtEnd {
 public:
  explicit WipeAtEnd(std::string& text) : text_(text) {}
  WipeAtEnd(const WipeAtEnd&) = delete;
  WipeAtEnd& operator=(const WipeAtEnd&) = delete;
  ~WipeAtEnd() { wipe(text_); }

 private:
  std::string& text_;
};

}  // namespace ocsproxy
