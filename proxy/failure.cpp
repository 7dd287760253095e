#include "proxy/failure.h"

namespace ocsproxy {
namespace {

constexpr Failure kClientGone{.status = 0, .code = kCodeAborted, .reason = ""};

std::string_view reason_of(std::uint16_t status) {
  switch (status) {
    case 400:
      return "The request is malformed.";
    case 403:
      return "This server does not allow the request.";
    case 405:
      return "The method is not allowed here.";
    case 408:
      return "The request did not arrive in time.";
    case 413:
      return "The content of the request is too large.";
    case 414:
      return "The address in the request is too long.";
    case 417:
      return "The request expects what this server does not do.";
    case 421:
      return "The request came over a connection for another name.";
    case 429:
      return "Too many requests came from this address.";
    case 431:
      return "The header of the request is too large.";
    case 501:
      return "The request asks for something that this server does not know.";
    case 502:
      return "The published site cannot be reached or gave no valid answer.";
    case 503:
      return "The server is busy or stopping. Try again later.";
    case 504:
      return "The published site did not answer in time.";
    case 505:
      return "The HTTP version of the request is not served.";
    case 508:
      return "The request came back to this server.";
    default:
      return "The server cannot answer the request.";
  }
}

Failure filtered() {
  Failure failure = failure_of(403);
  failure.code = kCodeFiltered;
  return failure;
}

Failure of_client(const Error& error) {
  switch (error.kind) {
    case ErrorKind::malformed:
    case ErrorKind::truncated:
      return failure_of(400);
    case ErrorKind::too_large:
      return failure_of(error.phase == Phase::request_body ? 413 : 431);
    case ErrorKind::timeout:
      return failure_of(408);
    case ErrorKind::overloaded:
      return failure_of(429);
    case ErrorKind::loop:
      return failure_of(508);
    case ErrorKind::filtered:
      return filtered();
    default:
      return kClientGone;
  }
}

Failure of_upstream(const Error& error) {
  switch (error.kind) {
    case ErrorKind::timeout: {
      Failure failure = failure_of(504);
      failure.code = kCodeTimedOut;
      return failure;
    }
    case ErrorKind::refused: {
      Failure failure = failure_of(502);
      failure.code = kCodeRefused;
      return failure;
    }
    case ErrorKind::unresolved: {
      Failure failure = failure_of(502);
      failure.code = kCodeHostNotFound;
      return failure;
    }
    case ErrorKind::overloaded:
      return failure_of(503);
    case ErrorKind::loop:
      return failure_of(508);
    case ErrorKind::filtered:
      return filtered();
    default:
      return failure_of(502);
  }
}

// What is wrong with ourselves is, as far as the client is concerned, over soon: descriptors,
// memory and limits come back. An error without that excuse is a defect.
Failure of_us(const Error& error) {
  switch (error.kind) {
    case ErrorKind::overloaded:
    case ErrorKind::cancelled:
    case ErrorKind::system:
      return failure_of(503);
    case ErrorKind::loop:
      return failure_of(508);
    default:
      return failure_of(500);
  }
}

}  // namespace

Failure failure_of(std::uint16_t status) {
  return {.status = status, .code = 0, .reason = reason_of(status)};
}

Failure failure_of(const Error& error) {
  switch (error.side) {
    case Side::client:
      return of_client(error);
    case Side::upstream:
      return of_upstream(error);
    case Side::us:
      break;
  }
  return of_us(error);
}

Failure policy_denial() {
  Failure failure = failure_of(403);
  failure.code = kCodeDenied;
  return failure;
}

}  // namespace ocsproxy
