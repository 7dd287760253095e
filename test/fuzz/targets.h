// The fuzz targets. Each takes one input, asks its properties of it and ends the process with a
// sentence when one does not hold. libFuzzer drives them one a binary; the kept corpora also run as
// a unit test.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace ocsproxy::fuzz {

void access_log(std::string_view input);
void request_head(std::string_view input);
void response_head(std::string_view input);
void chunked(std::string_view input);
void canonical_target(std::string_view input);
void configuration(std::string_view input);
void http_filter(std::string_view input);
void exchange(std::string_view input);
void log_lines(std::string_view input);
void rule_table(std::string_view input);

inline void require(bool holds, std::string_view property) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %.*s\n", static_cast<int>(property.size()), property.data());
  std::abort();
}

}  // namespace ocsproxy::fuzz
