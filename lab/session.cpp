#include "lab/session.h"

#include <optional>
#include <utility>

#include "lab/misbehave.h"
#include "lab/routes.h"

namespace ocsproxy::lab {
namespace {

constexpr std::string_view kMisbehavePath = "/lab/misbehave";

}  // namespace

Session::Session(boost::asio::ip::tcp::socket socket, boost::asio::ssl::context* tls, Shared shared,
                 std::uint64_t number)
    : shared_(shared),
      number_(number),
      wire_(std::move(socket), tls, shared.options.idle),
      authentication_(shared.library) {
  ++shared_.counters.connections_accepted;
  ++shared_.counters.connections_open;
}

Session::~Session() { --shared_.counters.connections_open; }

Awaitable<void> Session::run() {
  if (!co_await wire_.handshake()) co_return;
  // g++ 12 lays the frame out wrong when the loop's condition itself holds the co_await.
  bool goes_on = true;
  while (goes_on) goes_on = co_await serve_one();
}

Awaitable<bool> Session::serve_one() {
  Exchange exchange(wire_, pending_);
  const auto received = co_await exchange.receive();
  const Visit visit{exchange,        authentication_.user(), number_,
                    shared_.options, shared_.counters,       shared_.library};
  if (received == Exchange::Received::malformed) {
    exchange.close_afterwards();
    co_await html(visit, 400, "400 - Bad Request", "The request cannot be understood.");
  } else if (received == Exchange::Received::request) {
    ++shared_.counters.requests;
    exchange.add_field("X-Lab-Connection", std::to_string(number_));
    co_await answer(visit);
    if (co_await exchange.finish()) co_return true;
  }
  if (received == Exchange::Received::end || !exchange.gone()) co_await wire_.close();
  co_return false;
}

Awaitable<void> Session::answer(Visit visit) {
  const RequestHead& head = visit.head();
  const bool asked = head.path == kMisbehavePath;
  const std::string_view field = head.field("X-Lab-Misbehave");
  std::optional<Misbehaviour> fault = shared_.options.misbehaviour;
  if (asked || !field.empty()) {
    fault = Misbehaviour::parse(asked ? std::string_view(head.query) : field);
    if (!fault) {
      co_await explain_misbehaviour(visit);
      co_return;
    }
  }
  const bool in_login = fault && fault->concerns_authentication();
  const Route& route = find_route(head.path);
  if ((route.integrated || (asked && in_login)) &&
      !co_await log_in(visit, in_login ? &*fault : nullptr)) {
    co_return;
  }
  // An anonymous page names the user too: a test sees it when a client is given a connection that
  // somebody else has logged in on.
  if (!visit.user.empty()) visit.exchange.add_field("X-Lab-User", visit.user);
  if (fault && !in_login) {
    co_await misbehave(visit, *fault);
  } else if (asked) {
    co_await who_am_i(visit);
  } else {
    co_await route.page(visit);
  }
}

Awaitable<bool> Session::log_in(Visit visit, const Misbehaviour* fault) {
  using Step = Authentication::Step;
  using Kind = Misbehaviour::Kind;
  const std::string former_user = authentication_.user();
  const auto outcome = authentication_.accept(visit.head().field("Authorization"));
  for (const std::string& value : outcome.fields) {
    visit.exchange.add_field("WWW-Authenticate", value);
  }
  if (outcome.step == Step::authenticated) count_login(former_user);
  if (outcome.step == Step::authenticated || outcome.step == Step::remembered) {
    ++shared_.counters.requests_authenticated;
    visit.exchange.add_field("Persistent-Auth", "true");
    co_return true;
  }

  if (outcome.step == Step::refused) ++shared_.counters.logins_refused;
  if (!former_user.empty()) visit.exchange.add_field("X-Lab-User", former_user);
  const auto asked_for = [fault](Kind kind) { return fault != nullptr && fault->kind == kind; };
  if (asked_for(Kind::close_after_401)) visit.exchange.close_afterwards();
  co_await html(visit, 401, "401 - Unauthorized: Access is denied due to invalid credentials.",
                "You do not have permission to view this directory or page.");
  if (asked_for(Kind::close_between_legs) && outcome.step == Step::challenged) {
    co_await wire_.close();
    visit.exchange.closed();
  }
  co_return false;
}

void Session::count_login(const std::string& former_user) {
  ++shared_.counters.logins;
  if (former_user.empty()) {
    ++shared_.counters.connections_authenticated;
  } else if (former_user != authentication_.user() && !std::exchange(second_user_, true)) {
    ++shared_.counters.connections_with_two_users;
  }
}

}  // namespace ocsproxy::lab
