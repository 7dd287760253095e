// What two policies do not answer alike: proven over all requests, regexes apart.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "rules/region.h"

namespace ocsproxy {

// In the order of importance to somebody who publishes.
enum class Change : std::uint8_t {
  opened,          // denied before, allowed now
  closed,          // allowed before, denied now
  target,          // allowed, and goes elsewhere or by other means
  authentication,  // allowed, and credentials are treated otherwise
  filter,          // allowed, and another HTTP filter decides what of it passes
  answer,          // denied, and the client is told otherwise: the redirect is another one
};
std::string_view to_string(Change change);
std::string_view describe(Change change);  // "denied before, allowed now"

// What one policy does with a request of a region.
struct PolicyAnswer {
  enum class Kind : std::uint8_t {
    not_served,  // there is no such listener or port, or it is not for this client
    deny,
    redirect,  // where a rule says
    to_https,  // the listener sends plain HTTP to https
    allow,
  };
  Kind kind = Kind::not_served;
  std::uint32_t rule = rules::kNoRule;  // kNoRule: none decided
  std::uint32_t path = 0;               // of the rule's

  friend auto operator<=>(const PolicyAnswer&, const PolicyAnswer&) = default;
};

// Requests that the same rules decide before and now, on the same way into the same listener.
struct Difference {
  Change change = Change::opened;
  bool https = false, http = false;  // how they come; at least one
  PolicyAnswer before, now;
  // A regex has a say in which of these requests differ; the witness does for certain.
  bool partly = false;
  std::vector<rules::Box> boxes;
  rules::Witness witness;
};

// Requests of which only regexes say whether they differ.
struct Undecided {
  std::set<std::string> regexes;
  std::vector<rules::Box> boxes;
};

struct PolicyDiff {
  std::vector<Difference> differences;  // the most important change first
  std::vector<Undecided> undecided;

  bool empty() const { return differences.empty() && undecided.empty(); }
};

// `space` is of two policies: before and now. Compared is who is allowed what, where that goes
// (site, addresses, port, TLS, the path there) and how it authenticates; and whether the HTTP
// filter has the same effect, not which requests another one refuses. Timeouts, limits,
// certificates and where listeners listen are not. Of a listener that sends plain HTTP to https in
// both, that answer is not compared either: it follows from the names that are published.
PolicyDiff compare_policies(const rules::RequestSpace& space);

}  // namespace ocsproxy
