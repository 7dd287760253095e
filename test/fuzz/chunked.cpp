#include <string>
#include <vector>

#include "test/fuzz/targets.h"
#include "test/proxy/chunked_property.h"

namespace ocsproxy::fuzz {

// The first two bytes say how the rest is cut: into parts of two sizes that take turns.
void chunked(std::string_view input) {
  if (input.size() < 2) return;
  const std::size_t sizes[] = {static_cast<unsigned char>(input[0]) + std::size_t{1},
                               static_cast<unsigned char>(input[1]) + std::size_t{1}};
  const std::string_view message = input.substr(2);
  // A long message in tiny parts costs the square of its length, which finds nothing more.
  const std::size_t unit = message.size() > 4096 ? 64 : 1;
  std::vector<std::size_t> parts;
  for (std::size_t sum = 0; sum < message.size(); sum += parts.back()) {
    parts.push_back(sizes[parts.size() % 2] * unit);
  }
  require(test::chunked_violation(message, {}).empty(), "a whole message is read as it should be");
  const std::string violation = test::chunked_violation(message, parts);
  require(violation.empty(), violation);
}

}  // namespace ocsproxy::fuzz
