#include "lab/exchange.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <ctime>

#include <boost/asio/buffer.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/status.hpp>

#include "base/text.h"

namespace ocsproxy::lab {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;
using Text = boost::beast::string_view;

std::string percent_decoded(std::string_view text) {
  std::string decoded;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const bool escape = text[at] == '%' && text.size() - at > 2 && hex_value(text[at + 1]) >= 0 &&
                        hex_value(text[at + 2]) >= 0;
    if (escape) {
      decoded += static_cast<char>(hex_value(text[at + 1]) * 16 + hex_value(text[at + 2]));
      at += 2;
    } else {
      decoded += text[at] == '+' ? ' ' : text[at];
    }
  }
  return decoded;
}

// RFC 9110 5.6.7
std::string date_text() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  std::array<char, 64> text{};
  const std::size_t size =
      std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return {text.data(), size};
}

void append_fields(std::string& text, const Fields& fields) {
  for (const auto& [name, value] : fields) text.append(name).append(": ").append(value) += "\r\n";
}

std::string chunk_start(std::size_t size) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (; size > 0; size >>= 4) text.insert(text.begin(), kDigits[size & 15]);
  return text + "\r\n";
}

}  // namespace

// Derived rather than http::request_parser, whose fields lose the order in which they came, and
// which does not tell a trailer field from one of the head.
struct Exchange::Parser : http::basic_parser<true> {
  RequestHead& head;
  Fields& trailers;
  std::span<char> into;  // where the body goes
  std::size_t filled = 0;

  Parser(RequestHead& head_fields, Fields& trailer_fields)
      : head(head_fields), trailers(trailer_fields) {
    header_limit(64 * kKiB);
    body_limit(boost::none);
  }

  void on_request_impl(http::verb, Text method, Text target, int version, error_code&) override {
    head.method = method;
    head.target = target;
    head.version = static_cast<unsigned>(version);
  }
  void on_field_impl(http::field, Text name, Text value, error_code&) override {
    (is_header_done() ? trailers : head.fields).emplace_back(name, value);
  }
  std::size_t on_body_impl(Text body, error_code& error) override {
    const std::size_t size = std::min(body.size(), into.size() - filled);
    std::copy_n(body.data(), size, into.data() + filled);
    filled += size;
    if (size < body.size()) error = http::error::need_buffer;
    return size;
  }
  std::size_t on_chunk_body_impl(std::uint64_t, Text body, error_code& error) override {
    return on_body_impl(body, error);
  }
  void on_response_impl(int, Text, int, error_code&) override {}
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  void on_chunk_header_impl(std::uint64_t, Text, error_code&) override {}
  void on_finish_impl(error_code&) override {}
};

std::string_view RequestHead::field(std::string_view name) const {
  for (const auto& [each, value] : fields) {
    if (iequals(each, name)) return value;
  }
  return {};
}

std::optional<std::string> RequestHead::parameter(std::string_view name) const {
  return query_parameter(query, name);
}

std::optional<std::string> query_parameter(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    const std::size_t equals = std::min(pair.find('='), pair.size());
    if (pair.substr(0, equals) == name) {
      return percent_decoded(pair.substr(std::min(equals + 1, pair.size())));
    }
  }
  return std::nullopt;
}

Reply typed_reply(unsigned status, std::string content_type) {
  Reply reply{status, {}};
  reply.fields.emplace_back("Content-Type", std::move(content_type));
  return reply;
}

std::string_view reason_of(unsigned status) {
  const auto known = http::int_to_status(status);
  return known == http::status::unknown ? std::string_view("Status")
                                        : std::string_view(http::obsolete_reason(known));
}

Exchange::Exchange(Wire& wire, std::string& pending)
    : wire_(wire), pending_(pending), parser_(std::make_unique<Parser>(head_, trailers_)) {}

Exchange::~Exchange() = default;

Awaitable<bool> Exchange::fill() {
  std::array<char, 16 * kKiB> bytes{};
  const std::size_t size = co_await wire_.read(bytes);
  pending_.append(bytes.data(), size);
  co_return size > 0;
}

Awaitable<Exchange::Received> Exchange::receive() {
  while (!parser_->is_header_done()) {
    if (pending_.empty() && !co_await fill()) {
      gone_ = true;
      co_return Received::end;
    }
    error_code error;
    const std::size_t used = parser_->put(asio::buffer(pending_), error);
    head_.text.append(pending_, 0, used);
    pending_.erase(0, used);
    if (error && error != http::error::need_more) co_return Received::malformed;
    if (error && !co_await fill()) {
      gone_ = true;
      co_return Received::end;
    }
  }
  const std::size_t question = std::min(head_.target.find('?'), head_.target.size());
  head_.path = lower(std::string_view(head_.target).substr(0, question));
  head_.query = head_.target.substr(std::min(question + 1, head_.target.size()));
  keep_alive_ = parser_->keep_alive();
  continue_expected_ = head_.version == 11 && iequals(head_.field("Expect"), "100-continue");
  co_return Received::request;
}

Awaitable<std::size_t> Exchange::read_body(std::span<char> into) {
  if (parser_->is_done() || gone_) co_return 0;
  if (std::exchange(continue_expected_, false) && !answered_) {
    if (!co_await raw("HTTP/1.1 100 Continue\r\n\r\n")) co_return 0;
  }
  parser_->into = into;
  parser_->filled = 0;
  parser_->eager(true);
  while (!parser_->is_done() && parser_->filled == 0) {
    error_code error = http::error::need_more;
    if (!pending_.empty()) pending_.erase(0, parser_->put(asio::buffer(pending_), error));
    if (!error || error == http::error::need_buffer) continue;
    if (error != http::error::need_more || (parser_->filled == 0 && !co_await fill())) {
      closed();
      co_return 0;
    }
  }
  co_return parser_->filled;
}

void Exchange::add_field(std::string name, std::string value) {
  common_.emplace_back(std::move(name), std::move(value));
}

std::string Exchange::connection_field() const {
  if (!keep_alive_) return "Connection: close\r\n";
  return head_.version == 11 ? "" : "Connection: keep-alive\r\n";
}

std::string Exchange::head_text(const Reply& reply, std::string_view framing) const {
  std::string text = "HTTP/1.1 " + std::to_string(reply.status) + ' ';
  text += reason_of(reply.status);
  text += "\r\n";
  for (const Fields* fields : {&reply.fields, &common_}) {
    append_fields(text, *fields);
  }
  text += "Server: Microsoft-IIS/7.0\r\nX-Powered-By: ASP.NET\r\nDate: " + date_text() + "\r\n";
  text += framing;
  return text + connection_field() + "\r\n";
}

Awaitable<void> Exchange::reply(Reply reply, std::string_view body) {
  const bool bodiless = reply.status == 204 || reply.status == 304;
  std::string text =
      head_text(reply, bodiless ? "" : "Content-Length: " + std::to_string(body.size()) + "\r\n");
  if (!bodiless && head_.method != "HEAD") text += body;
  answered_ = true;
  co_await raw(text);
}

Awaitable<bool> Exchange::begin(Reply reply, std::optional<std::uint64_t> length) {
  chunked_ = !length && head_.version == 11;
  std::string framing;
  if (length) {
    framing = "Content-Length: " + std::to_string(*length) + "\r\n";
  } else if (chunked_) {
    framing = "Transfer-Encoding: chunked\r\n";
  } else {
    keep_alive_ = false;
  }
  answered_ = true;
  const std::string text = head_text(reply, framing);
  const bool sent = co_await raw(text);
  co_return sent&& head_.method != "HEAD";
}

Awaitable<bool> Exchange::piece(std::string_view bytes) {
  if (bytes.empty()) co_return !gone_;
  if (!chunked_) co_return co_await raw(bytes);
  std::string text = chunk_start(bytes.size());
  text += bytes;
  text += "\r\n";
  co_return co_await raw(text);
}

Awaitable<bool> Exchange::pause(std::chrono::milliseconds duration) {
  constexpr std::chrono::milliseconds kSlice(20);
  asio::steady_timer timer(co_await asio::this_coro::executor);
  const auto end = std::chrono::steady_clock::now() + duration;
  while (!gone_ && std::chrono::steady_clock::now() < end) {
    timer.expires_at(std::min(end, std::chrono::steady_clock::now() + kSlice));
    co_await timer.async_wait(asio::use_awaitable);
    if (wire_.peer_left()) closed();
  }
  co_return !gone_;
}

Awaitable<void> Exchange::end(const Fields& trailers) {
  if (!chunked_ || gone_) co_return;
  std::string text = "0\r\n";
  append_fields(text, trailers);
  text += "\r\n";
  co_await raw(text);
}

Awaitable<bool> Exchange::raw(std::string_view bytes) {
  if (gone_) co_return false;
  const bool sent = co_await wire_.write(bytes);
  if (!sent) closed();
  co_return sent;
}

Awaitable<bool> Exchange::finish() {
  std::vector<char> unwanted(64 * kKiB);
  while (co_await read_body(unwanted) > 0) {
  }
  co_return keep_alive_ && !gone_;
}

}  // namespace ocsproxy::lab
