#include "proxy/head_parser.h"

#include <string_view>

#include <boost/beast/http/basic_parser.hpp>

#include "base/text.h"
#include "proxy/head_scanner.h"

namespace ocsproxy {
namespace {

namespace http = boost::beast::http;
using boost::system::error_code;

std::string_view view(boost::beast::string_view text) { return {text.data(), text.size()}; }

// Beast splits the lines; this only notes where the parts lie. Of what Beast could do with a
// message nothing but the head is used: the body is skipped, so that it never decides framing.
template <bool kRequest>
class Recorder : public http::basic_parser<kRequest> {
 public:
  explicit Recorder(FieldList& fields) : fields_(fields) {
    this->header_limit(static_cast<std::uint32_t>(kMaxHeadBytes));
    this->body_limit(boost::none);
    this->skip(true);
  }

 protected:
  void on_field_impl(http::field /*name*/, boost::beast::string_view name,
                     boost::beast::string_view value, error_code& ec) override {
    const std::string_view text = view(name);
    if (!fields_.add({.name = text, .value = view(value), .id = field_id(text)})) {
      ec = http::error::header_limit;
    }
  }
  void on_request_impl(http::verb /*method*/, boost::beast::string_view /*text*/,
                       boost::beast::string_view /*target*/, int /*version*/,
                       error_code& /*ec*/) override {}
  void on_response_impl(int /*code*/, boost::beast::string_view /*reason*/, int /*version*/,
                        error_code& /*ec*/) override {}
  void on_header_impl(error_code& /*ec*/) override {}
  void on_finish_impl(error_code& /*ec*/) override {}

  // Never called: the parser is complete after the head.
  void on_body_init_impl(const boost::optional<std::uint64_t>& /*length*/,
                         error_code& /*ec*/) override {}
  std::size_t on_body_impl(boost::beast::string_view /*body*/, error_code& /*ec*/) override {
    return 0;
  }
  void on_chunk_header_impl(std::uint64_t /*size*/, boost::beast::string_view /*extensions*/,
                            error_code& /*ec*/) override {}
  std::size_t on_chunk_body_impl(std::uint64_t /*remain*/, boost::beast::string_view /*body*/,
                                 error_code& /*ec*/) override {
    return 0;
  }

 private:
  FieldList& fields_;
};

class RequestRecorder final : public Recorder<true> {
 public:
  explicit RequestRecorder(RequestHead& head) : Recorder<true>(head.fields), head_(head) {}

 protected:
  void on_request_impl(http::verb /*method*/, boost::beast::string_view method,
                       boost::beast::string_view target, int version, error_code& /*ec*/) override {
    head_.method = view(method);
    head_.method_id = method_id(head_.method);
    head_.target = view(target);
    head_.version = version == 10 ? Version::http1_0 : Version::http1_1;
  }

 private:
  RequestHead& head_;
};

std::string_view explain(const error_code& ec) {
  switch (static_cast<http::error>(ec.value())) {
    case http::error::bad_field:
      return "a field name is empty or no token, or white space stands before its colon";
    case http::error::bad_value:
      return "a field value is malformed";
    case http::error::bad_content_length:
      return "Content-Length is no number, or stands beside Transfer-Encoding";
    case http::error::multiple_content_length:
      return "Content-Length is given twice";
    case http::error::bad_transfer_encoding:
      return "Transfer-Encoding is given twice, or stands beside Content-Length";
    default:
      return "the head is malformed";
  }
}

// Gives `parser` the rest of the head; the scan has already proved that it is complete.
template <bool kRequest>
Refusal split(http::basic_parser<kRequest>& parser, std::span<const char> text,
              std::uint16_t status) {
  error_code ec;
  const std::size_t used = parser.put({text.data(), text.size()}, ec);
  if (ec) return {status, explain(ec)};
  if (used != text.size() || !parser.is_header_done()) return {status, "the head is malformed"};
  return {};
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
  head.fields.clear();
  RequestRecorder recorder(head);
  if (const Refusal refusal = split(recorder, scanner.head(outcome), 400)) return refused(refusal);
  return outcome;
}

HeadOutcome parse_response_head(std::span<const char> received, HeadProgress& progress,
                                ResponseHead& head) {
  HeadScanner scanner(received, progress,
                      {.malformed = 502, .line_too_long = 502, .too_large = 502},
                      check_status_line);
  const HeadOutcome outcome = scanner.scan();
  if (outcome.state != HeadOutcome::State::complete) return outcome;

  // The status line is ours alone, because Beast insists on the space that some servers leave out;
  // it gets one that says nothing, and splits the fields.
  const std::span<const char> text = scanner.head(outcome);
  const std::string_view line(text.data(), std::string_view(text.data(), text.size()).find('\r'));
  head.version = line[7] == '0' ? Version::http1_0 : Version::http1_1;
  head.status =
      static_cast<std::uint16_t>((line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0'));
  head.reason = line.size() > kStatusLineBare ? line.substr(kStatusLineBare + 1) : "";
  head.fields.clear();

  Recorder<false> recorder(head.fields);
  static constexpr std::string_view kAnyStatusLine = "HTTP/1.1 200 OK\r\n";
  error_code ec;
  recorder.put({kAnyStatusLine.data(), kAnyStatusLine.size()}, ec);
  if (const Refusal refusal = split(recorder, text.subspan(line.size() + 2), 502)) {
    return refused(refusal);
  }
  return outcome;
}

}  // namespace ocsproxy
