#include <algorithm>

#include "settings/fields.h"
#include "settings/readers.h"
#include "settings/shown_text.h"

namespace ocsproxy::settings {
namespace {

// What the limits are called, and below what a single honest browser runs into them.
struct LimitKey {
  std::string_view key;
  Located<std::uint32_t> FloodLimits::*limit;
  std::uint32_t low;
  std::string_view honest;
};
constexpr std::array<LimitKey, 5> kLimitKeys{{
    {"connections_per_minute", &FloodLimits::connections_per_minute, 30,
     "a browser opens half a dozen connections for one page"},
    {"concurrent_connections", &FloodLimits::concurrent_connections, 10,
     "a browser holds half a dozen connections open at a time"},
    {"half_open", &FloodLimits::half_open, 4,
     "a browser opens half a dozen connections at the same moment"},
    {"requests_per_minute", &FloodLimits::requests_per_minute, 60,
     "a page with its scripts and images is dozens of requests"},
    {"denied_per_minute", &FloodLimits::denied_per_minute, 10,
     "a browser asks for icons and the like that no rule publishes"},
}};

void warn_of_low(const LimitKey& key, const Located<std::uint32_t>& limit, Findings& findings) {
  if (*limit >= key.low) return;
  findings.warning(
      "flood-limit-low", limit.where,
      "a limit of " + std::to_string(*limit) +
          " will turn honest clients away: " + std::string(key.honest),
      "remove the line for the default, or write " + std::to_string(key.low) + " or more");
}

// Those that are there; true when there is one.
bool read_limits(Fields& fields, FloodLimits& limits) {
  bool any = false;
  for (const LimitKey& key : kLimitKeys) {
    fields.number(key.key, kConnectionsRange, limits.*key.limit);
    if (!fields.has(key.key)) continue;
    any = true;
    warn_of_low(key, limits.*key.limit, fields.findings());
  }
  // As in ISA Server, where it is no setting of its own.
  if (fields.has("concurrent_connections") && !fields.has("half_open")) {
    limits.half_open = {std::max(*limits.concurrent_connections / 2, std::uint32_t{1}), {}};
  }
  if (fields.has("half_open") && *limits.half_open > *limits.concurrent_connections) {
    fields.findings().warning(
        "flood-limit-without-effect", limits.half_open.where,
        "nobody reaches " + std::to_string(*limits.half_open) +
            " handshakes at a time: each is a connection, and of those an address may have " +
            std::to_string(*limits.concurrent_connections),
        "write a number below  concurrent_connections, or remove the line for half of it");
  }
  return any;
}

void read_exception(const Node& node, FloodMitigation& flood, Findings& findings) {
  if (node.kind != Node::Kind::map) {
    report_type(node, "exceptions", "maps of keys", findings,
                "for example  - {from: [Branch Office], requests_per_minute: 6000}");
    return;
  }
  Fields fields(node, "an exception", findings);
  FloodException exception{.where = node.where, .from = {}, .limits = flood.limits};
  read_sources(fields, "from", exception.from);
  if (!fields.has("from")) fields.missing("from", "for whom? for example  from: [Branch Office]");
  fields.boolean("unlimited", exception.unlimited);
  const bool any = read_limits(fields, exception.limits);
  if (any && *exception.unlimited) {
    findings.error("contradiction", exception.unlimited.where,
                   "an exception is either \"unlimited\" or has limits of its own",
                   "remove one of them");
  } else if (!any && !fields.has("unlimited")) {
    fields.missing("unlimited",
                   "what is different for them? a limit such as  requests_per_minute: 6000, or  "
                   "unlimited: true");
  }
  fields.finish();
  flood.exceptions.push_back(std::move(exception));
}

}  // namespace

void read_flood_mitigation(const Node& node, Reading& reading) {
  Fields fields(node, "\"flood_mitigation\"", reading.findings);
  FloodMitigation& flood = reading.settings.flood_mitigation;
  fields.boolean("enabled", flood.enabled);
  if (!*flood.enabled) {
    reading.findings.warning(
        "flood-mitigation-off", flood.enabled.where,
        "without flood mitigation one address can take all that the proxy has",
        "write an exception with  unlimited: true  for those whom the limits must not meet");
  }
  (void)read_limits(fields, flood.limits);
  if (const Node* const list = fields.list("exceptions")) {
    for (const Node& item : list->items) read_exception(item, flood, reading.findings);
  }
  fields.finish();
}

}  // namespace ocsproxy::settings
