#include "test/proxy/chunked_oracle.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "proxy/trailer_section.h"

namespace ocsproxy::test {
namespace {

using Verdict = ChunkedMessage::Verdict;

void skip_blanks(std::string_view& rest) {
  while (!rest.empty() && (rest[0] == ' ' || rest[0] == '\t')) rest.remove_prefix(1);
}

bool skip_token(std::string_view& rest) {
  std::size_t size = 0;
  while (size < rest.size() && is_token_char(static_cast<unsigned char>(rest[size]))) ++size;
  rest.remove_prefix(size);
  return size > 0;
}

bool skip_quoted_string(std::string_view& rest) {
  std::size_t i = 1;
  while (i < rest.size() && rest[i] != '"') {
    if (rest[i] == '\\') ++i;
    if (i == rest.size()) return false;
    const auto byte = static_cast<unsigned char>(rest[i]);
    if ((byte < 0x20 && byte != '\t') || byte == 0x7f) return false;
    ++i;
  }
  if (i >= rest.size()) return false;
  rest.remove_prefix(i + 1);
  return true;
}

bool are_extensions(std::string_view rest) {
  while (!rest.empty()) {
    skip_blanks(rest);
    if (rest.empty() || rest[0] != ';') return false;
    rest.remove_prefix(1);
    skip_blanks(rest);
    if (!skip_token(rest)) return false;
    std::string_view value = rest;
    skip_blanks(value);
    if (value.empty() || value[0] != '=') continue;
    rest = value.substr(1);
    skip_blanks(rest);
    if (!rest.empty() && rest[0] == '"' ? !skip_quoted_string(rest) : !skip_token(rest)) {
      return false;
    }
  }
  return true;
}

Verdict read_trailers(std::string_view text, std::size_t& at, ChunkedMessage& message) {
  const std::size_t start = at;
  std::size_t fields = 0;
  for (;;) {
    const std::size_t end = text.find("\r\n", at);
    if (end == std::string_view::npos) return Verdict::incomplete;
    const std::string_view line = text.substr(at, end - at);
    at = end + 2;
    if (at - start > TrailerSection::kMaxBytes) return Verdict::invalid;
    if (line.empty()) return Verdict::complete;
    const bool clean = std::all_of(line.begin(), line.end(), [](char c) {
      const auto byte = static_cast<unsigned char>(c);
      return c == '\t' || (byte >= 0x20 && byte != 0x7f);
    });
    const std::size_t colon = line.find(':');
    if (!clean || colon == std::string_view::npos || !is_token(line.substr(0, colon))) {
      return Verdict::invalid;
    }
    if (++fields > TrailerSection::kMaxFields) return Verdict::invalid;
    if (trailer_may_pass(line.substr(0, colon))) {
      message.trailers.emplace_back(line);
    } else {
      message.has_dropped_trailers = true;
    }
  }
}

}  // namespace

ChunkedMessage read_chunked(std::string_view text) {
  ChunkedMessage message;
  const auto is = [&](Verdict verdict) {
    message.verdict = verdict;
    return message;
  };
  std::size_t at = 0;
  std::size_t extension_bytes = 0;
  for (;;) {
    const std::size_t end = text.find("\r\n", at);
    if (end == std::string_view::npos) return is(Verdict::incomplete);
    const std::string_view line = text.substr(at, end - at);
    at = end + 2;

    const auto digits = static_cast<std::size_t>(
        std::find_if(line.begin(), line.end(), [](char c) { return hex_value(c) < 0; }) -
        line.begin());
    if (digits == 0 || digits > 15) return is(Verdict::invalid);
    std::size_t size = 0;
    std::from_chars(line.data(), line.data() + digits, size, 16);
    const std::string_view extensions = line.substr(digits);
    if (!are_extensions(extensions) || extensions.size() > 1024) return is(Verdict::invalid);
    message.has_extensions = message.has_extensions || !extensions.empty();
    extension_bytes += extensions.size();
    if (extension_bytes > 16384 + message.data.size()) return is(Verdict::invalid);
    if (size == 0) break;

    message.data += text.substr(at, size);
    if (text.size() - at < size) return is(Verdict::incomplete);
    at += size;
    const std::string_view rest = text.substr(at, 2);
    if (rest != std::string_view("\r\n").substr(0, rest.size())) return is(Verdict::invalid);
    if (rest.size() < 2) return is(Verdict::incomplete);
    at += 2;
  }
  const Verdict verdict = read_trailers(text, at, message);
  message.size = at;
  return is(verdict);
}

}  // namespace ocsproxy::test
