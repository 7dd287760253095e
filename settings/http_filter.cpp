#include "settings/http_filter.h"

#include <algorithm>
#include <tuple>

namespace ocsproxy::settings {
namespace {

template <typename T, typename Same>
bool same_lists(const std::vector<T>& a, const std::vector<T>& b, const Same& same) {
  return std::ranges::equal(a, b, same);
}

bool same_values(const std::vector<Located<std::string>>& a,
                 const std::vector<Located<std::string>>& b) {
  return same_lists(a, b, [](const auto& x, const auto& y) { return *x == *y; });
}

bool same_words(const HttpFilter::Words& a, const HttpFilter::Words& b) {
  return a.kind == b.kind && same_values(a.words, b.words);
}

bool same_signature(const HttpFilter::Signature& a, const HttpFilter::Signature& b) {
  return *a.name == *b.name && *a.place == *b.place && *a.pattern == *b.pattern &&
         *a.first == *b.first;
}

bool same_told(const HttpFilter::Told& a, const HttpFilter::Told& b) {
  return a.kind == b.kind && a.text == b.text;
}

auto limits(const HttpFilter& filter) {
  const auto& payload = filter.max_payload_length;
  return std::tuple(*filter.mode, *filter.max_header_length, *filter.max_url_length,
                    *filter.max_query_length, payload.has_value(), payload ? payload->value : 0,
                    *filter.verify_normalization, *filter.block_high_bit,
                    *filter.block_windows_executables);
}

}  // namespace

bool same_effect(const HttpFilter& a, const HttpFilter& b) {
  return limits(a) == limits(b) && same_words(a.methods, b.methods) &&
         same_words(a.extensions, b.extensions) &&
         same_values(a.request_headers, b.request_headers) &&
         same_values(a.response_headers, b.response_headers) &&
         same_told(a.server_header, b.server_header) && same_told(a.via_header, b.via_header) &&
         same_lists(a.signatures, b.signatures, same_signature);
}

}  // namespace ocsproxy::settings
