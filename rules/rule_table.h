// The compiled policy: which rule decides a request. Built once from Settings, immutable, shared by
// all workers; the same table answers --explain, --diff and the other questions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/finding.h"
#include "base/ip_address.h"
#include "rules/http_filter.h"
#include "settings/settings.h"

namespace ocsproxy::rules {

inline constexpr std::uint32_t kNoRule = 0xffffffff;
// A longer path with ;parameters is denied by the implicit rule; every head limit is far below.
inline constexpr std::size_t kMaxJudgedPath = 65536;

// Where a client address lies in the policy; the same for a whole client connection under one
// table.
struct ClientPosition {
  std::uint32_t atom = 0;     // which elementary interval of the address space
  std::uint32_t network = 0;  // index for `network_name`
};

// What is asked of the table. All views must live until `decide` returns; nothing of them is kept.
struct Request {
  std::uint32_t listener = 0;  // index into Settings::listeners
  ClientPosition client;
  std::string_view
      public_name;        // canonical: lower case, no port, no trailing dot; "" when none was sent
  std::string_view path;  // canonical (rules/canonical_target.h), case kept, without query
  std::string_view method;
};

enum class Verdict : std::uint8_t { allow, deny, redirect };

struct Decision {
  Verdict verdict = Verdict::deny;
  std::uint32_t rule = kNoRule;  // index into Settings::rules; kNoRule: the implicit deny
  std::uint32_t path = 0;        // index into that rule's paths: which of them matched

  friend bool operator==(const Decision&, const Decision&) = default;
};

// What a request has to meet for a rule to match, in the order in which a trace asks.
enum class Condition : std::uint8_t {
  none,
  enabled,
  listener,
  from,  // `from` without `except_from`
  public_name,
  path,
  method,
};

// What one rule says to a request.
struct RuleTrace {
  Condition failed = Condition::none;  // the first that the request does not meet; none: it matches
  std::uint32_t path = 0;              // the first of the rule's paths that matches

  friend bool operator==(const RuleTrace&, const RuleTrace&) = default;
};

struct CompiledPolicy;

class RuleTable {
 public:
  // `own_addresses` are this machine's, for the network Local Host. Problems that only compiling
  // shows (a regex that RE2 refuses, a path that no canonical request path can equal) go to
  // `findings`; with errors the table must not be used.
  // `settings` must outlive the table.
  static std::shared_ptr<const RuleTable> compile(const settings::Settings& settings,
                                                  std::span<const IpAddress> own_addresses,
                                                  Findings& findings);
  ~RuleTable();
  RuleTable(const RuleTable&) = delete;  // shared by pointer
  RuleTable& operator=(const RuleTable&) = delete;

  ClientPosition locate(const IpAddress& client) const;
  std::string_view network_name(ClientPosition client) const;
  // May a client at this position use the listener at all (listener.networks)?
  bool serves(std::uint32_t listener, ClientPosition client) const;

  // Thread-safe, no allocation, no lock. Judges `path` with and without ;parameters: a deny on
  // either wins, the implicit deny too. (A regex runs only where its rule could still win. For what
  // rules/path_automaton.h does not understand, and for long paths, RE2 runs: it fills a bounded
  // cache of its own on first use and takes a shared lock on it.)
  Decision decide(const Request& request) const;

  // For each rule of the settings what it says to the request, whose path is taken as it is:
  // `decide` judges a path with ;parameters in both forms. The first that matches decides.
  std::vector<RuleTrace> trace(const Request& request) const;

  // Is there an enabled allow rule on this listener for this public name (any path, any client)?
  bool publishes(std::uint32_t listener, std::string_view public_name) const;

  // The HTTP filter of a rule, by its index into Settings::rules; null for none. Lives as long as
  // the table.
  const HttpFilter* filter_of(std::uint32_t rule) const;

  // The table as it lies in memory (rules/compiled_policy.h), for the algebra. Lives as long as
  // the table.
  const CompiledPolicy& compiled() const;

 private:
  struct Impl;
  explicit RuleTable(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ocsproxy::rules
