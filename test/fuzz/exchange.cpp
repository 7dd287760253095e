#include <algorithm>
#include <set>
#include <string>

#include <boost/beast/core/error.hpp>
#include <boost/beast/http.hpp>

#include "base/text.h"
#include "check/json_log.h"
#include "test/fuzz/edge.h"
#include "test/fuzz/targets.h"

namespace ocsproxy::fuzz {
namespace {

namespace http = boost::beast::http;
using boost::system::error_code;
using RequestParser = http::request_parser<http::dynamic_body>;
using ResponseParser = http::response_parser<http::dynamic_body>;

// Beast reads all that one message has of `bytes`, which lose it. False: it is not complete.
template <typename Parser>
bool read_message(Parser& parser, std::string_view& bytes, bool ended) {
  parser.eager(true);
  parser.header_limit(1U << 20U);
  parser.body_limit(boost::none);
  error_code ec;
  while (!bytes.empty() && !parser.is_done()) {
    const std::size_t used = parser.put(boost::asio::buffer(bytes), ec);
    bytes.remove_prefix(used);
    if (ec == http::error::need_more) return false;
    require(!ec, "what the proxy writes, another parser reads");
    if (used == 0) break;
  }
  if (!parser.is_done() && ended && parser.got_some() && parser.need_eof()) {
    parser.put_eof(ec);
    return !ec;
  }
  return parser.is_done();
}

// ---- towards the site

// What every request has by our hand, and what was smuggled in by another has not.
void require_ours(const RequestParser::value_type& request, std::set<std::string>& ids) {
  require(request.count("X-Request-Id") == 1, "a request at the site went through an exchange");
  ids.insert(std::string(request["X-Request-Id"]));
  require(request.count(http::field::host) == 1 &&
              request[http::field::host] == "pool.example.internal:8080",
          "the site is asked by its own name");
  const auto [first, last] = request.equal_range(http::field::via);
  require(
      std::any_of(first, last,
                  [](const auto& via) { return via.value().find(Edge::kVia) != via.value().npos; }),
      "our pseudonym is in Via");
  require(
      request.count(http::field::content_length) + request.count(http::field::transfer_encoding) <=
          1,
      "one field says where a request ends");
  const std::string_view target = request.target();
  require(target.starts_with('/'), "the site is asked for a path");
  require(
      lower(target.substr(0, 6)) != "/admin" ||
          (target.size() > 6 && std::string_view("/?;").find(target[6]) == std::string_view::npos),
      "what a rule denies does not reach the site");
}

// -> how many requests began on this connection
std::size_t read_site(const Peer& site, std::set<std::string>& ids) {
  std::string_view bytes = site.received;
  std::size_t requests = 0;
  while (!bytes.empty()) {
    RequestParser parser;
    const bool whole = read_message(parser, bytes, false);
    if (!parser.is_header_done()) break;
    require_ours(parser.get(), ids);
    ++requests;
    if (!whole) break;
    // Behind an upgrade that the site granted comes what is no HTTP.
    const bool asked = parser.get().count(http::field::upgrade) != 0;
    if (asked && site.sent.find(" 101 ") != std::string::npos) break;
  }
  return requests;
}

// ---- towards the client

struct Logged {
  std::string method;
  unsigned status = 0;
};

Logged read_log(const std::string& line) {
  LogEntry entry;
  require(read_json_line(line, entry), "a line of the log is one JSON object");
  const std::string_view status = entry[LogField::status];
  return {std::string(entry[LogField::method]),
          status.empty() ? 0U : static_cast<unsigned>(std::stoul(std::string(status)))};
}

// What the client got is, request by request, what the log says, and then nothing.
void read_visit(const Visit& visit) {
  std::string_view bytes = visit.client.received;
  std::size_t line = 0;
  while (!bytes.empty()) {
    require(line < visit.log.size() || !visit.client.ended, "an answer has its line in the log");
    if (line == visit.log.size()) return;  // of an exchange under way
    const Logged logged = read_log(visit.log[line]);
    ResponseParser parser;
    parser.skip(logged.method == "HEAD");
    const bool whole = read_message(parser, bytes, visit.client.ended);
    if (!parser.is_header_done()) {
      require(visit.client.ended, "half a head is the last that is sent");
      return;
    }
    const unsigned status = parser.get().result_int();
    if (status >= 100 && status < 200 && status != 101) continue;
    require(status == logged.status, "the log has the status that the client got");
    ++line;
    if (status == 101) return;
    if (!whole) return;  // and what is left is a part of it
    require(parser.keep_alive() || bytes.empty(), "nothing follows a response that is the last");
  }
}

void step(Edge& edge, char what, std::string_view bytes) {
  switch (what) {
    case 'c':
      return edge.client_sends(bytes);
    case 'e':
      return edge.client_half_closes();
    case 'x':
      return edge.client_leaves();
    case 's':
      return edge.site_sends(bytes);
    case 'E':
      return edge.site_half_closes();
    case 'X':
      return edge.site_leaves();
    case 'r':
      return edge.reload();
    case 'd':
      return edge.close_when_idle();
    default:
      return;
  }
}

}  // namespace

// Steps, each ended by a unit separator: who does what, and the bytes of it.
void exchange(std::string_view input) {
  if (input.size() > 65536) return;
  Edge edge;
  while (!input.empty()) {
    const std::string_view one = input.substr(0, input.find('\x1f'));
    input.remove_prefix(std::min(input.size(), one.size() + 1));
    if (!one.empty()) step(edge, one.front(), one.substr(1));
  }
  edge.finish();

  require(edge.open_connections() == 0, "no client connection is left");
  require(edge.upstream_connections() == 0, "no connection to the site is left");
  for (const auto& site : edge.site()) {
    require(!site->fd || site->ended, "each connection to the site was closed");
  }
  std::size_t lines = 0;
  for (const auto& visit : edge.visits()) {
    lines += visit->log.size();
    read_visit(*visit);
  }
  require(lines == edge.requests(), "each request is one line of the log");
  std::set<std::string> ids;
  std::size_t requests = 0;
  for (const auto& site : edge.site()) requests += read_site(*site, ids);
  require(ids.size() <= lines, "no more requests reach the site than were judged");
  require(requests <= 2 * ids.size(), "a request goes a second time at most");
}

}  // namespace ocsproxy::fuzz
