#include "proxy/flood_guard.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace ocsproxy {
namespace {

// Lines about floods in a minute, by all workers together.
constexpr std::uint32_t kReportsAMinute = 20;
constexpr std::uint32_t kNoLimit = (1u << 24) - 1;

struct LimitText {
  std::string_view key;
  std::string_view before, behind;  // around the number
  std::string_view then;
};
// In the order of FloodLimit.
constexpr std::array<LimitText, kFloodLimits> kTexts{{
    {"connections_per_minute", "opened more than ", " connections in a minute",
     "; those that follow are dropped until the minute ends"},
    {"concurrent_connections", "has ", " connections open", "; more are dropped"},
    {"half_open", "has ", " TLS handshakes under way", "; more connections are dropped"},
    {"requests_per_minute", "sent more than ", " requests in a minute",
     "; those that follow get 429 until the minute ends"},
    {"denied_per_minute", "sent more than ", " requests in a minute that were denied",
     "; those that follow get 429 until the minute ends"},
}};
const LimitText& text_of(FloodLimit limit) { return kTexts[static_cast<std::size_t>(limit)]; }

// What an exception would have to permit: as much more as ISA Server's custom limits do.
std::uint64_t more_than(FloodLimit limit, std::uint64_t allowed) {
  const bool at_a_time =
      limit == FloodLimit::concurrent_connections || limit == FloodLimit::half_open;
  return std::min<std::uint64_t>(
      at_a_time ? std::max<std::uint64_t>(allowed * 5 / 2, allowed + 1) : allowed * 10, 10'000'000);
}

// What to write where, should the client be an honest one.
std::string mend(FloodLimit limit, std::uint32_t allowed, const IpAddress& client,
                 const Snapshot& snapshot) {
  const std::string setting =
      std::string(text_of(limit).key) + ": " + std::to_string(more_than(limit, allowed));
  if (const settings::FloodException* const exception = snapshot.flood.exception_of(client)) {
    return ". If these are honest clients, write  " + setting + "  in their exception in " +
           snapshot.loaded.sources.path(exception->where.file) + ':' +
           std::to_string(exception->where.line);
  }
  return ". If many clients share the address (NAT, a proxy), add  exceptions: [{from: [\"" +
         flood_address(client).to_string() + "\"], " + setting + "}]  to flood_mitigation";
}

}  // namespace

std::string describe(const FloodRefusal& refusal) {
  const LimitText& text = text_of(refusal.limit);
  return "the address " + std::string(text.before) + std::to_string(refusal.allowed) +
         std::string(text.behind) + " (flood_mitigation." + std::string(text.key) + ")";
}

FloodHold FloodGuard::enter(const IpAddress& client, std::uint32_t limit, bool& full) {
  FloodTable::Entered entered = table_.enter(client, minute(), limit);
  full = entered.full;
  if (entered.evicted) services_.counters.evictions[Eviction::flood_address].add();
  if (!entered.hold && !full) services_.counters.flood_uncounted.add();
  return std::move(entered.hold);
}

std::optional<FloodAccount> FloodGuard::admit(const IpAddress& client, bool handshake) {
  FloodAccount account;
  const settings::FloodLimits* const limits = services_.snapshot->global->flood.of(client);
  if (limits == nullptr) return account;
  account.limited_ = true;
  account.requests_ = *limits->requests_per_minute;
  account.denied_ = *limits->denied_per_minute;
  const std::uint32_t concurrent = *limits->concurrent_connections;
  bool full = false;
  account.hold_ = enter(client, concurrent, full);
  if (full) {
    // To say so once a minute takes a hold of its entry.
    bool beyond = false;
    FloodHold hold = enter(client, kNoLimit, beyond);
    report(hold, FloodLimit::concurrent_connections, concurrent, client);
    return std::nullopt;
  }
  if (!account.hold_) return account;
  const std::uint32_t rate = *limits->connections_per_minute;
  if (!account.hold_.count(FloodLimit::connections_per_minute, minute(), rate)) {
    report(account.hold_, FloodLimit::connections_per_minute, rate, client);
    return std::nullopt;
  }
  if (handshake && !account.hold_.begin_handshake(*limits->half_open)) {
    report(account.hold_, FloodLimit::half_open, *limits->half_open, client);
    return std::nullopt;
  }
  return account;
}

void FloodGuard::renew(FloodAccount& account, const IpAddress& client) {
  const settings::FloodLimits* const limits = services_.snapshot->global->flood.of(client);
  account.limited_ = limits != nullptr;
  if (limits == nullptr) return;
  account.requests_ = *limits->requests_per_minute;
  account.denied_ = *limits->denied_per_minute;
  bool full = false;
  if (!account.hold_) account.hold_ = enter(client, kNoLimit, full);
}

FloodRefusal FloodGuard::request(FloodAccount& account, const IpAddress& client) {
  FloodHold& hold = account.hold_;
  if (!account.limited_ || !hold) return {};
  const std::uint32_t now = minute();
  FloodRefusal refusal;
  if (hold.reached(FloodLimit::denied_per_minute, now, account.denied_)) {
    refusal.limit = FloodLimit::denied_per_minute;
    refusal.allowed = account.denied_;
  } else if (hold.count(FloodLimit::requests_per_minute, now, account.requests_)) {
    return {};
  } else {
    refusal.allowed = account.requests_;
  }
  refusal.seconds = FloodTable::seconds_left(services_.reactor.now());
  report(hold, refusal.limit, refusal.allowed, client);
  return refusal;
}

void FloodGuard::count_denied(FloodAccount& account) {
  if (!account.limited_ || !account.hold_) return;
  (void)account.hold_.count(FloodLimit::denied_per_minute, minute(), account.denied_);
}

// Once an address, limit and minute, and not without end where the addresses are without end.
void FloodGuard::report(FloodHold& hold, FloodLimit limit, std::uint32_t allowed,
                        const IpAddress& client) {
  const LimitText& text = text_of(limit);
  services_.counters.flood_refused[limit].add();
  if (!hold || !hold.report(limit, minute())) return;
  services_.counters.flood_events.add();
  if (!table_.may_report(minute(), kReportsAMinute)) {
    if (table_.may_report(minute(), kReportsAMinute + 1)) {
      services_.log.warning("flood mitigation: more addresses than " +
                            std::to_string(kReportsAMinute) +
                            " are over a limit in this minute; the others are not named");
    }
    return;
  }
  services_.log.warning(
      "flood mitigation: " + flood_address(client).to_string() + ' ' + std::string(text.before) +
      std::to_string(allowed) + std::string(text.behind) + " (" + std::string(text.key) + ")" +
      std::string(text.then) + mend(limit, allowed, client, *services_.snapshot->global));
}

}  // namespace ocsproxy
