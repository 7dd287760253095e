#include "proxy/counter_families.h"

#include <array>

namespace ocsproxy {
namespace {

// ---- how a member is read

template <Counter Counters::*kMember>
void read_one(const Counters& counters, Samples& samples) {
  samples.add({}, (counters.*kMember).value());
}

// A label's values: the name of the label, and of each enumerator.
struct Words {
  std::string_view label;
  std::string_view (*of)(std::size_t index);
};

template <auto kMember, const Words& kWords>
void read_each(const Counters& counters, Samples& samples) {
  const auto& each = counters.*kMember;
  using Index = typename std::remove_cvref_t<decltype(each)>::Index;
  for (std::size_t i = 0; i < each.size(); ++i) {
    samples.add({{kWords.label, kWords.of(i)}}, each[static_cast<Index>(i)].value());
  }
}

// Of what follows there are far more possible values than ever occur: only those that did are said.

void read_replies(const Counters& counters, Samples& samples) {
  for (std::size_t i = 0; i < StatusCounts::kSize; ++i) {
    const auto status = static_cast<std::uint16_t>(StatusCounts::kFirst + i);
    const std::uint64_t count = counters.replies[status].value();
    if (count != 0) samples.add({{"status", std::to_string(status)}}, count);
  }
}

void read_refused_requests(const Counters& counters, Samples& samples) {
  counters.refused_requests.for_each(
      [&](std::uint64_t status, std::string_view why, std::uint64_t count) {
        samples.add({{"status", std::to_string(status)}, {"reason", why}}, count);
      });
  if (counters.refused_requests.others() != 0)
    samples.add({{"status", ""}, {"reason", "other"}}, counters.refused_requests.others());
}

void read_errors(const Counters& counters, Samples& samples) {
  for (std::size_t side = 0; side < kSides; ++side) {
    for (std::size_t phase = 0; phase < kPhases; ++phase) {
      for (std::size_t kind = 0; kind < kErrorKinds; ++kind) {
        const auto s = static_cast<Side>(side);
        const auto p = static_cast<Phase>(phase);
        const auto k = static_cast<ErrorKind>(kind);
        const std::uint64_t count = counters.errors.at(s, p, k).value();
        if (count == 0) continue;
        samples.add({{"side", to_string(s)}, {"phase", to_string(p)}, {"kind", to_string(k)}},
                    count);
      }
    }
  }
}

// ---- the words

template <typename Enum>
std::string_view word_of(std::size_t index) {
  return to_string(static_cast<Enum>(index));
}

template <const auto& kTexts>
std::string_view text_of(std::size_t index) {
  return kTexts[index];
}

constexpr std::array<std::string_view, kRefusedConnections> kRefusedTexts{"listener_limit",
                                                                          "network"};
constexpr std::array<std::string_view, kHandshakes> kHandshakeTexts{"full", "resumed"};
constexpr std::array<std::string_view, kAnswers> kAnswerTexts{
    "forward", "deny", "redirect", "redirect_to_https", "network_not_served"};
constexpr std::array<std::string_view, kResponseClasses> kClassTexts{"none", "1xx", "2xx",  "3xx",
                                                                     "4xx",  "5xx", "other"};
constexpr std::array<std::string_view, kHoldings> kHoldingTexts{"leased", "idle", "pinned"};
constexpr std::array<std::string_view, kEvictions> kEvictionTexts{
    "upstream_session", "idle_upstream_connection", "flood_address"};
constexpr std::array<std::string_view, kFloodLimits> kFloodTexts{
    "connections_per_minute", "concurrent_connections", "half_open", "requests_per_minute",
    "denied_per_minute"};
constexpr std::array<std::string_view, kOverloadActions> kOverloadTexts{"closed", "shed", "dropped",
                                                                        "refused"};

constexpr Words kRefusedWords{"reason", text_of<kRefusedTexts>};
constexpr Words kHandshakeWords{"type", text_of<kHandshakeTexts>};
constexpr Words kAnswerWords{"answer", text_of<kAnswerTexts>};
constexpr Words kClassWords{"class", text_of<kClassTexts>};
constexpr Words kHoldingWords{"state", text_of<kHoldingTexts>};
constexpr Words kEvictionWords{"what", text_of<kEvictionTexts>};
constexpr Words kFloodWords{"limit", text_of<kFloodTexts>};
constexpr Words kOverloadWords{"action", text_of<kOverloadTexts>};
constexpr Words kFilterWords{"check", word_of<rules::FilterCheck>};
constexpr Words kDeadlineWords{"deadline", word_of<Deadline>};
constexpr Words kKindWords{"kind", word_of<ErrorKind>};

// ---- the table

template <typename Member>
consteval std::size_t bytes_of(Member Counters::*) {
  return sizeof(Member);
}

template <auto kMember>
consteval CounterFamily one(std::string_view name, std::string_view help,
                            MetricType type = MetricType::counter) {
  return {name, type, help, bytes_of(kMember), read_one<kMember>};
}

template <auto kMember, const Words& kWords>
consteval CounterFamily each(std::string_view name, std::string_view help,
                             MetricType type = MetricType::counter) {
  return {name, type, help, bytes_of(kMember), read_each<kMember, kWords>};
}

constexpr CounterFamily kFamilies[] = {
    one<&Counters::connections>("ocsproxy_client_connections_total",
                                "Client connections accepted."),
    one<&Counters::open_connections>("ocsproxy_client_connections", "Client connections open now.",
                                     MetricType::gauge),
    each<&Counters::refused_connections, kRefusedWords>(
        "ocsproxy_refused_connections_total", "Client connections closed before a byte was read."),
    each<&Counters::handshakes, kHandshakeWords>("ocsproxy_client_handshakes_total",
                                                 "TLS handshakes completed with clients."),
    one<&Counters::idle_clients_closed>(
        "ocsproxy_idle_client_connections_closed_total",
        "Client connections that ended by the listener's timeouts.idle."),
    one<&Counters::requests>("ocsproxy_requests_total",
                             "Requests begun, those that were refused included."),
    {"ocsproxy_refused_requests_total", MetricType::counter,
     "Requests that were refused for what they are, before any rule was asked.",
     bytes_of(&Counters::refused_requests), read_refused_requests},
    each<&Counters::judged_requests, kAnswerWords>("ocsproxy_judged_requests_total",
                                                   "Requests by what the policy answered."),
    one<&Counters::default_denials>("ocsproxy_default_denials_total",
                                    "Requests denied because no rule matched."),
    {"ocsproxy_replies_total", MetricType::counter,
     "Responses that the proxy made itself, errors and denials above all.",
     bytes_of(&Counters::replies), read_replies},
    each<&Counters::responses, kClassWords>(
        "ocsproxy_responses_total",
        "Requests by the response, of a site or our own; none: the client got none."),
    {"ocsproxy_errors_total", MetricType::counter,
     "What ended a handshake with a client or a request other than in order: who, where, how.",
     bytes_of(&Counters::errors), read_errors},
    each<&Counters::deadlines, kDeadlineWords>(
        "ocsproxy_deadlines_total",
        "Deadlines that fired, but for those of clients that idle between two requests."),
    one<&Counters::upstream_connections>("ocsproxy_upstream_connections_opened_total",
                                         "Connections opened to sites."),
    each<&Counters::failed_upstream_connections, kKindWords>(
        "ocsproxy_upstream_connection_failures_total",
        "Addresses of sites that could not be connected to, each attempt."),
    each<&Counters::open_upstream_connections, kHoldingWords>(
        "ocsproxy_upstream_connections", "Connections open to sites now.", MetricType::gauge),
    one<&Counters::waits_for_upstream>(
        "ocsproxy_upstream_waits_total",
        "Requests that found all connections to their site in use (to.limits.connections)."),
    one<&Counters::open_upstreams>("ocsproxy_upstream_slots",
                                   "Connections to sites that are open or being opened now.",
                                   MetricType::gauge),
    one<&Counters::queue_full>(
        "ocsproxy_upstream_queue_refusals_total",
        "Requests told 503 because too many waited for their site (to.limits.queue)."),
    one<&Counters::pinned>("ocsproxy_pinned_connections_total",
                           "Upstream connections bound to one client because it authenticated."),
    one<&Counters::retries>("ocsproxy_retries_total",
                            "Requests sent a second time, on a fresh connection."),
    each<&Counters::evictions, kEvictionWords>(
        "ocsproxy_evictions_total", "What was given up to make room within a fixed bound."),
    each<&Counters::flood_refused, kFloodWords>(
        "ocsproxy_flood_refusals_total",
        "Connections dropped and requests told 429 by flood_mitigation, by its limit."),
    one<&Counters::flood_events>(
        "ocsproxy_flood_events_total",
        "Times that an address ran into a limit of flood_mitigation, once a minute and limit."),
    one<&Counters::flood_uncounted>(
        "ocsproxy_flood_uncounted_connections_total",
        "Connections let in uncounted because the table of addresses had no place."),
    each<&Counters::overload, kOverloadWords>(
        "ocsproxy_overload_actions_total",
        "What was done when memory, descriptors or connections ran short."),
    one<&Counters::allocation_failures>(
        "ocsproxy_allocation_failures_total",
        "Connections that ended, or were not taken, for want of memory."),
    each<&Counters::filter_refused, kFilterWords>("ocsproxy_filter_refusals_total",
                                                  "Messages that HTTP filters refused."),
    each<&Counters::filter_reported, kFilterWords>(
        "ocsproxy_filter_reports_total",
        "Messages that HTTP filters in mode report would have refused."),
    one<&Counters::identity_violations>(
        "ocsproxy_identity_violations_total",
        "Uses of a pinned connection by another client than its own, refused; never but 0."),
};

consteval std::size_t bytes_with_a_row() {
  std::size_t sum = 0;
  for (const CounterFamily& family : kFamilies) sum += family.bytes;
  return sum;
}
static_assert(bytes_with_a_row() == sizeof(Counters),
              "a member of Counters has no row in kFamilies, or two");

}  // namespace

std::span<const CounterFamily> counter_families() { return kFamilies; }

void write_counters(std::span<const Counters* const> workers, PrometheusText& text) {
  for (const CounterFamily& family : kFamilies) {
    Samples samples;
    for (const Counters* const counters : workers) family.read(*counters, samples);
    text.metric(family.name, family.type, family.help, samples);
  }
}

}  // namespace ocsproxy
