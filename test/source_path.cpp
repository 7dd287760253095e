#include "test/source_path.h"

namespace ocsproxy::test {

std::string source_path(std::string_view relative) {
  return std::string(OCSPROXY_SOURCE_DIR "/").append(relative);
}

}  // namespace ocsproxy::test
