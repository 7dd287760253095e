#include "proxy/failure.h"

#include "base/text.h"

namespace ocsproxy {
namespace {

struct Row {
  ErrorKind kind;
  Side side;
  Phase phase;
  int status;
  std::uint32_t code;
};
constexpr Row kRows[] = {
    {ErrorKind::malformed, Side::client, Phase::request_head, 400, 0},
    {ErrorKind::truncated, Side::client, Phase::request_head, 400, 0},
    {ErrorKind::timeout, Side::client, Phase::request_head, 408, 0},
    {ErrorKind::timeout, Side::client, Phase::request_body, 408, 0},
    {ErrorKind::too_large, Side::client, Phase::request_head, 431, 0},
    {ErrorKind::too_large, Side::client, Phase::request_body, 413, 0},
    {ErrorKind::overloaded, Side::client, Phase::request_head, 429, 0},
    {ErrorKind::closed, Side::client, Phase::response_body, 0, 995},
    {ErrorKind::reset, Side::client, Phase::request_body, 0, 995},
    {ErrorKind::timeout, Side::upstream, Phase::connect, 504, 10060},
    {ErrorKind::timeout, Side::upstream, Phase::response_head, 504, 10060},
    {ErrorKind::refused, Side::upstream, Phase::connect, 502, 10061},
    {ErrorKind::unresolved, Side::upstream, Phase::resolve, 502, 11001},
    {ErrorKind::untrusted, Side::upstream, Phase::upstream_handshake, 502, 0},
    {ErrorKind::tls, Side::upstream, Phase::upstream_handshake, 502, 0},
    {ErrorKind::malformed, Side::upstream, Phase::response_head, 502, 0},
    {ErrorKind::too_large, Side::upstream, Phase::response_head, 502, 0},
    {ErrorKind::closed, Side::upstream, Phase::response_head, 502, 0},
    {ErrorKind::truncated, Side::upstream, Phase::response_head, 502, 0},
    {ErrorKind::reset, Side::upstream, Phase::send_request, 502, 0},
    {ErrorKind::overloaded, Side::upstream, Phase::connect, 503, 0},
    {ErrorKind::overloaded, Side::us, Phase::none, 503, 0},
    {ErrorKind::cancelled, Side::us, Phase::response_head, 503, 0},
    {ErrorKind::system, Side::us, Phase::connect, 503, 0},
    {ErrorKind::filtered, Side::client, Phase::request_head, 403, 12217},
    {ErrorKind::filtered, Side::upstream, Phase::response_body, 403, 12217},
    {ErrorKind::loop, Side::us, Phase::request_head, 508, 0},
    {ErrorKind::malformed, Side::us, Phase::send_request, 500, 0},
};

TEST(Failure, EachErrorHasOneStatusAndTheCodeThatAdministratorsKnow) {
  for (const Row& row : kRows) {
    Error error;
    error.kind = row.kind;
    error.side = row.side;
    error.phase = row.phase;
    const Failure failure = failure_of(error);
    EXPECT_EQ(failure.status, row.status) << error.describe();
    EXPECT_EQ(failure.code, row.code) << error.describe();
    EXPECT_EQ(failure.reason.empty(), row.status == 0) << error.describe();
  }
}

TEST(Failure, WhatTheClientReadsHoldsNothingOfTheDetail) {
  Error error;
  error.kind = ErrorKind::refused;
  error.side = Side::upstream;
  error.detail = "ocspool.contoso.local 192.168.1.105:443";
  EXPECT_EQ(failure_of(error).reason.find("ocspool"), std::string_view::npos);
}

TEST(Failure, PolicyDenialIs403With12202) {
  EXPECT_EQ(policy_denial().status, 403);
  EXPECT_EQ(policy_denial().code, 12202U);
}

}  // namespace
}  // namespace ocsproxy
