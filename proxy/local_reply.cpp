#include "proxy/local_reply.h"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace ocsproxy {
namespace {

// Appends as long as there is room; one check at the end instead of one a piece.
class Writer {
 public:
  explicit Writer(std::span<char> buffer) : buffer_(buffer) {}

  Writer& operator<<(std::string_view text) {
    if (text.size() > buffer_.size() - size_) {
      overflowed_ = true;
    } else if (!text.empty()) {
      std::memcpy(buffer_.data() + size_, text.data(), text.size());
      size_ += text.size();
    }
    return *this;
  }
  Writer& operator<<(std::uint64_t number) {
    char digits[20];
    const char* const end = std::to_chars(digits, digits + sizeof digits, number).ptr;
    return *this << std::string_view(digits, static_cast<std::size_t>(end - digits));
  }
  std::string_view text() const {
    return overflowed_ ? std::string_view() : std::string_view(buffer_.data(), size_);
  }

 private:
  std::span<char> buffer_;
  std::size_t size_ = 0;
  bool overflowed_ = false;
};

// A Location that could end its line early, or that a client would have to repair, is never sent.
bool is_sendable(std::string_view location) {
  return std::all_of(location.begin(), location.end(), [](char c) {
    return c > ' ' && c <= '~' && c != '"' && c != '<' && c != '>';
  });
}

void write_page(const LocalReply& reply, Writer& out) {
  const std::string_view phrase = reason_phrase(reply.what.status);
  out << "<!DOCTYPE html><html lang=\"en\"><head><title>" << reply.what.status << " " << phrase
      << "</title></head><body><h1>" << reply.what.status << " " << phrase << "</h1><p>"
      << (reply.location.empty() ? reply.what.reason : "The page is at another address.");
  if (reply.what.code != 0) out << " (" << reply.what.code << ")";
  out << "</p>";
  if (!reply.request_id.empty()) out << "<p>Request " << reply.request_id << "</p>";
  out << "</body></html>\n";
}

void write_field(std::string_view name, std::string_view value, Writer& out) {
  if (!value.empty()) out << name << ": " << value << "\r\n";
}

}  // namespace

std::string_view reason_phrase(std::uint16_t status) {
  switch (status) {
    case 302:
      return "Found";
    case 400:
      return "Bad Request";
    case 403:
      return "Forbidden";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 417:
      return "Expectation Failed";
    case 421:
      return "Misdirected Request";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    case 508:
      return "Loop Detected";
    default:
      return "";
  }
}

std::string_view write_local_reply(const LocalReply& reply, std::span<char> buffer) {
  if (reply.what.status == 0 || !is_sendable(reply.location)) return {};
  char page_buffer[1024];
  Writer page(page_buffer);
  write_page(reply, page);

  Writer out(buffer);
  out << "HTTP/1.1 " << reply.what.status << " " << reason_phrase(reply.what.status) << "\r\n";
  write_field("Date", reply.date, out);
  write_field("Location", reply.location, out);
  write_field("Allow", reply.allow, out);
  if (reply.retry_after != 0) out << "Retry-After: " << reply.retry_after << "\r\n";
  write_field("X-Request-Id", reply.request_id, out);
  out << "Content-Type: text/html; charset=utf-8\r\nCache-Control: no-store\r\nContent-Length: "
      << page.text().size() << "\r\nConnection: " << (reply.keep_alive ? "keep-alive" : "close")
      << "\r\n\r\n";
  if (!reply.head_only) out << page.text();
  return out.text();
}

}  // namespace ocsproxy
