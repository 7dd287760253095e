#include "proxy/head_parser.h"

#include <cstring>
#include <string_view>

#include "base/text.h"
#include "proxy/head_scanner.h"

namespace ocsproxy {
namespace {

// A line "name: value" that the scan has found clean and without leading white space, as
// beast::http::basic_parser takes it: the name is a token and the colon follows at once.
Refusal split_field(std::string_view line, std::uint16_t malformed, FieldList& fields) {
  std::size_t colon = 0;
  while (colon < line.size() && is_token_char(static_cast<unsigned char>(line[colon]))) ++colon;
  if (colon == 0 || colon == line.size() || line[colon] != ':') {
    return {malformed, "a field name is empty or no token, or white space stands before its colon"};
  }
  const std::string_view name = line.substr(0, colon);
  fields.add({.name = name, .value = trim(line.substr(colon + 1)), .id = field_id(name)});
  return {};
}

// `text` is the field lines and the empty line behind them, each with its CRLF. The scan has
// counted the lines: there is room for all.
Refusal split_fields(std::string_view text, std::uint16_t malformed, FieldList& fields) {
  fields.clear();
  while (text.front() != '\r') {
    const auto* const end = static_cast<const char*>(std::memchr(text.data(), '\r', text.size()));
    const std::string_view line = text.substr(0, static_cast<std::size_t>(end - text.data()));
    if (const Refusal refusal = split_field(line, malformed, fields)) return refusal;
    text.remove_prefix(line.size() + 2);
  }
  return {};
}

// The start line without its CRLF, which moves `text` behind it.
std::string_view take_start_line(std::string_view& text) {
  const std::string_view line = text.substr(0, text.find('\r'));
  text.remove_prefix(line.size() + 2);
  return line;
}

Version version_of(std::string_view text) {
  return text.back() == '0' ? Version::http1_0 : Version::http1_1;
}

bool is_version_shape(std::string_view text) {
  return text.size() == 8 && text.substr(0, 5) == "HTTP/" && is_digit(text[5]) && text[6] == '.' &&
         is_digit(text[7]);
}
bool is_served_version(std::string_view text) { return text == "HTTP/1.1" || text == "HTTP/1.0"; }

Refusal check_request_line(std::string_view line) {
  const std::size_t first = line.find(' ');
  const std::string_view method = line.substr(0, first);
  if (!is_token(method)) return {400, "the method is no token"};
  if (first == std::string_view::npos) return {400, "the request line has no target"};
  const std::size_t last = line.find(' ', first + 1);
  if (last == std::string_view::npos) return {400, "the request line has no HTTP version"};
  const std::string_view target = line.substr(first + 1, last - first - 1);
  if (target.empty()) return {400, "the request target is empty"};
  for (const char c : target) {
    if (c <= ' ' || c > '~')
      return {400, "the request target contains a byte that must be escaped"};
  }
  const std::string_view version = line.substr(last + 1);
  if (!is_version_shape(version)) return {400, "the HTTP version is malformed"};
  if (!is_served_version(version)) return {505, "the HTTP version is neither 1.0 nor 1.1"};
  if (method.size() > kMaxMethodBytes) return {501, "the method is longer than any known one"};
  return {};
}

// "HTTP/1.1 200 OK"; some servers leave out the space together with an empty reason.
constexpr std::size_t kStatusLineBare = 12;

Refusal check_status_line(std::string_view line) {
  if (line.size() < kStatusLineBare || !is_version_shape(line.substr(0, 8)) || line[8] != ' ') {
    return {502, "the status line is malformed"};
  }
  if (!is_served_version(line.substr(0, 8))) {
    return {502, "the HTTP version of the response is neither 1.0 nor 1.1"};
  }
  const std::string_view rest = line.substr(9);
  if (!is_digit(rest[0]) || !is_digit(rest[1]) || !is_digit(rest[2]) || rest[0] == '0' ||
      (rest.size() > 3 && rest[3] != ' ')) {
    return {502, "the status code is not a number from 100 to 999"};
  }
  return {};
}

HeadOutcome refused(Refusal refusal) {
  return {.state = HeadOutcome::State::refused, .size = 0, .refusal = refusal};
}

}  // namespace

HeadOutcome parse_request_head(std::span<const char> received, HeadProgress& progress,
                               RequestHead& head) {
  HeadScanner scanner(received, progress,
                      {.malformed = 400, .line_too_long = 414, .too_large = 431},
                      check_request_line);
  const HeadOutcome outcome = scanner.scan();
  if (outcome.state != HeadOutcome::State::complete) return outcome;
  // The check of the start line has found three parts, each of which is what it has to be.
  std::string_view text = scanner.head(outcome);
  const std::string_view line = take_start_line(text);
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  head.method = line.substr(0, first);
  head.method_id = method_id(head.method);
  head.target = line.substr(first + 1, last - first - 1);
  head.version = version_of(line);
  if (const Refusal refusal = split_fields(text, 400, head.fields)) return refused(refusal);
  return outcome;
}

HeadOutcome parse_response_head(std::span<const char> received, HeadProgress& progress,
                                ResponseHead& head) {
  HeadScanner scanner(received, progress,
                      {.malformed = 502, .line_too_long = 502, .too_large = 502},
                      check_status_line);
  const HeadOutcome outcome = scanner.scan();
  if (outcome.state != HeadOutcome::State::complete) return outcome;

  std::string_view text = scanner.head(outcome);
  const std::string_view line = take_start_line(text);
  head.version = version_of(line.substr(0, 8));
  head.status =
      static_cast<std::uint16_t>((line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0'));
  head.reason = line.size() > kStatusLineBare ? line.substr(kStatusLineBare + 1) : "";
  if (const Refusal refusal = split_fields(text, 502, head.fields)) return refused(refusal);
  return outcome;
}

}  // namespace ocsproxy
