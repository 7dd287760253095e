#include "test/proxy/chunked_property.h"

#include "test/proxy/chunked_oracle.h"
#include "test/proxy/chunked_runner.h"

namespace ocsproxy::test {
namespace {

using Mode = ChunkedDecoder::Mode;
using State = ChunkedDecoder::State;
using Verdict = ChunkedMessage::Verdict;

std::string verdict_violation(const ChunkedMessage& expected, const Decoded& decoded) {
  if (decoded.state == State::failed) {
    if (decoded.refusal.status / 100 != 4 || decoded.refusal.why.empty())
      return "a failure without reason";
    return expected.verdict == Verdict::complete
               ? "a valid message fails: " + std::string(decoded.refusal.why)
               : "";
  }
  if (expected.verdict == Verdict::invalid) return "an invalid message does not fail";
  const bool complete = decoded.state == State::complete;
  if (complete != (expected.verdict == Verdict::complete)) return "complete at the wrong moment";
  if (complete && decoded.consumed != expected.size) return "the end is at the wrong place";
  if (decoded.data_bytes != expected.data.size()) return "the data is counted wrongly";
  return "";
}

std::string verbatim_violation(const ChunkedMessage& expected, const Decoded& decoded) {
  for (const std::string& sent : decoded.sent_before_end) {
    if (read_chunked(sent).verdict != Verdict::incomplete) {
      return "what was sent before the end is complete or invalid";
    }
  }
  if (decoded.state != State::complete) return "";
  const ChunkedMessage again = read_chunked(decoded.out);
  if (again.verdict != Verdict::complete || again.size != decoded.out.size()) {
    return "the output is no whole message";
  }
  if (again.data != expected.data) return "the output holds other data";
  if (again.trailers != expected.trailers) return "the output holds other trailers";
  if (again.has_extensions) return "the output holds extensions";
  if (again.has_dropped_trailers) return "the output holds forbidden trailers";
  return "";
}

}  // namespace

std::string chunked_violation(std::string_view message, const std::vector<std::size_t>& parts) {
  const ChunkedMessage expected = read_chunked(message);
  for (const Mode mode : {Mode::verbatim, Mode::data}) {
    const Decoded decoded = decode(mode, message, parts);
    std::string violation = verdict_violation(expected, decoded);
    if (violation.empty() && mode == Mode::verbatim)
      violation = verbatim_violation(expected, decoded);
    if (violation.empty() && mode == Mode::data && decoded.state != State::failed &&
        decoded.out != expected.data) {
      violation = "the data is not the data";
    }
    if (!violation.empty())
      return (mode == Mode::data ? "data mode: " : "verbatim mode: ") + violation;
  }
  return "";
}

}  // namespace ocsproxy::test
