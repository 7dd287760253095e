#include "base/error.h"

#include <cstring>

namespace ocsproxy {

std::string_view to_string(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::closed:
      return "closed";
    case ErrorKind::truncated:
      return "truncated";
    case ErrorKind::reset:
      return "reset";
    case ErrorKind::timeout:
      return "timeout";
    case ErrorKind::refused:
      return "refused";
    case ErrorKind::unresolved:
      return "unresolved";
    case ErrorKind::untrusted:
      return "untrusted";
    case ErrorKind::tls:
      return "tls";
    case ErrorKind::malformed:
      return "malformed";
    case ErrorKind::too_large:
      return "too_large";
    case ErrorKind::overloaded:
      return "overloaded";
    case ErrorKind::loop:
      return "loop";
    case ErrorKind::filtered:
      return "filtered";
    case ErrorKind::cancelled:
      return "cancelled";
    case ErrorKind::system:
      return "system";
  }
  return "unknown";
}

std::string_view to_string(Side side) {
  switch (side) {
    case Side::us:
      return "us";
    case Side::client:
      return "client";
    case Side::upstream:
      return "upstream";
  }
  return "unknown";
}

std::string_view to_string(Phase phase) {
  switch (phase) {
    case Phase::none:
      return "none";
    case Phase::handshake:
      return "handshake";
    case Phase::request_head:
      return "request_head";
    case Phase::request_body:
      return "request_body";
    case Phase::resolve:
      return "resolve";
    case Phase::connect:
      return "connect";
    case Phase::upstream_handshake:
      return "upstream_handshake";
    case Phase::send_request:
      return "send_request";
    case Phase::response_head:
      return "response_head";
    case Phase::response_body:
      return "response_body";
    case Phase::tunnel:
      return "tunnel";
  }
  return "unknown";
}

std::string_view to_string(Deadline deadline) {
  switch (deadline) {
    case Deadline::none:
      return "none";
    case Deadline::handshake:
      return "handshake";
    case Deadline::request_head:
      return "request_head";
    case Deadline::idle:
      return "idle";
    case Deadline::connect:
      return "connect";
    case Deadline::response_head:
      return "response_head";
    case Deadline::linger:
      return "linger";
    case Deadline::minimum_rate:
      return "minimum_rate";
    case Deadline::queue:
      return "queue";
  }
  return "unknown";
}

std::string Error::describe() const {
  std::string text;
  if (side != Side::us) text.append(to_string(side)).append(" ");
  text.append(to_string(kind));
  if (deadline != Deadline::none) text.append(" (").append(to_string(deadline)).append(")");
  if (phase != Phase::none) text.append(" in ").append(to_string(phase));
  if (!detail.empty()) text.append(": ").append(detail);
  return text;
}

std::string errno_text(int error) {
  char buffer[256];
  return strerror_r(error, buffer, sizeof buffer);
}

}  // namespace ocsproxy
