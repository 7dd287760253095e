#include "lab/misbehaviour.h"

#include <array>
#include <charconv>
#include <utility>

#include "base/units.h"
#include "lab/exchange.h"

namespace ocsproxy::lab {
namespace {

using Kind = Misbehaviour::Kind;

constexpr std::array<std::pair<std::string_view, Kind>, 15> kKinds = {{
    {"slow-head", Kind::slow_head},
    {"slow-body", Kind::slow_body},
    {"truncate", Kind::truncate},
    {"truncate-chunked", Kind::truncate_chunked},
    {"truncate-chunk", Kind::truncate_chunk},
    {"reset", Kind::reset},
    {"close", Kind::close},
    {"no-close-notify", Kind::no_close_notify},
    {"close-between-legs", Kind::close_between_legs},
    {"close-after-401", Kind::close_after_401},
    {"early-answer", Kind::early_answer},
    {"interim", Kind::interim},
    {"bogus-head", Kind::bogus_head},
    {"big-head", Kind::big_head},
    {"raw", Kind::raw},
}};

std::optional<std::chrono::milliseconds> seconds_of(std::string_view text) {
  constexpr double kHour = 3600;
  double seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || end != text.data() + text.size() || !(seconds >= 0) ||
      seconds > kHour) {
    return std::nullopt;
  }
  return std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
}

}  // namespace

std::optional<Misbehaviour> Misbehaviour::parse(std::string_view words) {
  Misbehaviour fault;
  const auto how = query_parameter(words, "how");
  const auto* known = kKinds.begin();
  while (known != kKinds.end() && known->first != how) ++known;
  if (known == kKinds.end()) return std::nullopt;
  fault.kind = known->second;

  if (const auto bytes = query_parameter(words, "bytes")) {
    fault.bytes = parse_size(*bytes);
    if (!fault.bytes) return std::nullopt;
  }
  if (const auto seconds = query_parameter(words, "seconds")) {
    const auto duration = seconds_of(*seconds);
    if (!duration) return std::nullopt;
    fault.duration = *duration;
  }
  if (const auto text = query_parameter(words, "status")) {
    const auto status = parse_number(*text);
    if (!status || *status < 200 || *status > 599) return std::nullopt;
    fault.status = static_cast<unsigned>(*status);
  }
  fault.answer = query_parameter(words, "answer").value_or("");
  return fault;
}

std::string Misbehaviour::kinds() {
  std::string names;
  for (const auto& [name, kind] : kKinds) {
    if (!names.empty()) names += ", ";
    names += name;
  }
  return names;
}

}  // namespace ocsproxy::lab
