// Bytes as the published examples write them.
#pragma once

#include <string_view>

#include "base/text.h"
#include "lab/ntlm.h"

namespace ocsproxy::lab {

// "0a 0b0c" and so on; blanks are skipped.
inline Bytes from_hex(std::string_view text) {
  Bytes bytes;
  int high = -1;
  for (const char c : text) {
    const int digit = hex_value(c);
    if (digit < 0) continue;
    if (high < 0) {
      high = digit;
    } else {
      bytes.push_back(static_cast<unsigned char>(high * 16 + digit));
      high = -1;
    }
  }
  return bytes;
}

}  // namespace ocsproxy::lab
