// Signatures over a request and over a body that arrives in pieces, against one regex at a time.
#include "rules/http_filter.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <string>
#include <vector>

#include <re2/re2.h>

#include "base/text.h"
#include "proxy/filtering.h"
#include "test/fuzz/targets.h"

namespace ocsproxy::fuzz {
namespace {

using rules::CanonicalTarget;
using rules::HeadField;
using settings::HttpFilter;
using Place = HttpFilter::Place;

constexpr std::uint32_t kFirst = 24;
constexpr std::array kPlaces{Place::url, Place::request_headers, Place::request_body};

std::string_view take_part(std::string_view& rest) {
  const std::size_t end = std::min(rest.find('\f'), rest.size());
  const std::string_view part = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return part;
}

// A filter with the same pattern at each place, where it may stand.
HttpFilter settings_of(const std::string& pattern) {
  HttpFilter settings;
  settings.verify_normalization = {false, {}};
  settings.block_high_bit = {false, {}};
  for (const Place place : kPlaces) {
    if (rules::SignatureSet::fault_of(pattern, place != Place::request_body)) continue;
    settings.signatures.push_back({.where = {},
                                   .name = {std::to_string(static_cast<int>(place)), {}},
                                   .place = {place, {}},
                                   .pattern = {pattern, {}},
                                   .first = {kFirst, {}}});
  }
  return settings;
}

bool has(const HttpFilter& settings, Place place) {
  return std::ranges::any_of(settings.signatures,
                             [place](const auto& one) { return *one.place == place; });
}

bool is_in(const std::string& pattern, std::string_view text) {
  re2::RE2::Options options;
  options.set_case_sensitive(false);
  options.set_encoding(re2::RE2::Options::EncodingLatin1);
  options.set_log_errors(false);
  const re2::RE2 regex("(?m)" + pattern, options);
  return re2::RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), regex);
}

std::string decoded(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escape = text[i] == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 &&
                        hex_value(text[i + 2]) >= 0;
    if (escape) {
      result += static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
      i += 2;
    } else {
      result += text[i] == '+' ? ' ' : text[i];
    }
  }
  return result;
}

using Fields = std::vector<HeadField>;

Fields fields_in(std::string_view text) {
  Fields fields;
  while (!text.empty() && fields.size() < 20) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    const std::size_t colon = std::min(line.find(':'), line.size());
    fields.push_back({line.substr(0, colon), line.substr(std::min(colon + 1, line.size()))});
  }
  return fields;
}

void ask_head(const rules::HttpFilter& filter, const std::string& pattern, std::string_view target,
              std::string_view lines) {
  std::vector<char> path(3 * target.size() + 1), scratch(rules::HttpFilter::kScratchBytes);
  CanonicalTarget canonical;
  if (rules::canonicalize(target, true, path, canonical) != rules::TargetError::none) return;
  const Fields fields = fields_in(lines);
  const auto refusal =
      filter.check_request(rules::FilterCheck::signature,
                           {.method = "GET",
                            .target = canonical,
                            .fields = {.list = &fields,
                                       .size = fields.size(),
                                       .at =
                                           [](const void* list, std::size_t index) {
                                             return (*static_cast<const Fields*>(list))[index];
                                           }}},
                           scratch);
  const std::string as_sent = std::string(canonical.path) + std::string(canonical.query);
  std::string url = as_sent + '\n', head;
  if (canonical.path.find('%') != std::string_view::npos ||
      canonical.query.find_first_of("%+") != std::string_view::npos) {
    url += decoded(canonical.path) + decoded(canonical.query) + '\n';
  }
  for (const HeadField& field : fields) {
    head.append(field.name).append(": ").append(field.value).append("\n");
  }
  const bool in_url = is_in(pattern, url), in_head = is_in(pattern, head);
  require(refusal.has_value() == (in_url || in_head), "one pass finds what each regex finds");
  if (!refusal) return;
  require(refusal->place == (in_url ? Place::url : Place::request_headers),
          "what is found is named by its place");
  require(!rules::describe(*refusal).empty(), "a refusal has a reason");
}

// The body in chunks of `size`, cut in two at `split` when it arrives.
void ask_body(const rules::HttpFilter& filter, const std::string& pattern, std::string_view body,
              std::size_t size, std::size_t split) {
  std::string message;
  for (std::size_t at = 0; at < body.size(); at += size) {
    char line[20];
    const std::string_view data = body.substr(at, size);
    std::snprintf(line, sizeof line, "%zx\r\n", data.size());
    message.append(line).append(data).append("\r\n");
  }
  message += "0\r\n\r\n";
  std::string room(filter.body_bytes(Place::request_body), '\0');
  BodyStart start(BodyKind::chunked, 0, Side::client, room);
  Window window{message.data(), 0, message.size(), 0, std::min(split, message.size())};
  start.look(window);
  window.end = message.size();
  start.look(window);
  require(start.ended() || start.data().size() == room.size(), "the beginning is found");
  require(start.data() == body.substr(0, room.size()), "the data of chunks is the body");
  const auto refusal = filter.check_body(Place::request_body, start.data());
  require(refusal.has_value() == is_in(pattern, body.substr(0, kFirst)),
          "a signature looks at its first bytes, however they came");
}

}  // namespace

// The size of chunks, where they are split, then between form feeds: a pattern, a target, fields by
// lines, a body.
void http_filter(std::string_view input) {
  if (input.size() < 2 || input.size() > 4096) return;
  const std::size_t size = 1 + static_cast<unsigned char>(input[0]) % 32;
  const std::size_t split = static_cast<unsigned char>(input[1]);
  input.remove_prefix(2);
  const std::string pattern(take_part(input));
  if (pattern.empty() || pattern.size() > 200) return;
  const HttpFilter settings = settings_of(pattern);
  Findings findings;
  const auto filter = rules::HttpFilter::compile(settings, findings);
  if (findings.has_errors()) return;
  const std::string_view target = take_part(input), lines = take_part(input);
  if (has(settings, Place::url)) ask_head(*filter, pattern, target, lines);
  if (has(settings, Place::request_body)) ask_body(*filter, pattern, input, size, split);
}

}  // namespace ocsproxy::fuzz
