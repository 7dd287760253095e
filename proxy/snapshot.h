// One load of the configuration, compiled: what all workers share of it, and what each worker makes
// of it for itself.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/finding.h"
#include "base/local_ref.h"
#include "proxy/rule_counts.h"
#include "proxy/target.h"
#include "rules/flood_policy.h"
#include "rules/rule_table.h"
#include "settings/load.h"
#include "tls/certificate.h"
#include "tls/server_context.h"
#include "tls/trusted_roots.h"

namespace ocsproxy {

// Immutable and shared by all workers; `table` and `flood` refer to `loaded.settings`.
struct Snapshot {
  std::uint64_t generation = 0;  // counts the loads of this process, from 1
  settings::Loaded loaded;
  std::shared_ptr<const rules::RuleTable> table;
  rules::FloodPolicy flood;
  // For each listener its certificates, empty for one without https.
  std::vector<std::vector<std::shared_ptr<const Certificate>>> certificates;
  std::shared_ptr<const TrustedRoots> roots;

  const settings::Settings& settings() const { return loaded.settings; }
};

// The TLS server side of one listener in one worker; connections hold it, since a handshake and the
// choice of 421 refer to it for as long as they live.
struct ListenerTls final : public LocalRefCounted {
  explicit ListenerTls(std::unique_ptr<ServerContext> made) : context(std::move(made)) {}
  std::unique_ptr<ServerContext> context;
};

// A snapshot as one worker uses it. Each exchange keeps the one it began with.
struct WorkerSnapshot final : public LocalRefCounted {
  std::shared_ptr<const Snapshot> global;
  std::vector<LocalRef<ListenerTls>> listeners;  // by listener; empty without https
  std::vector<LocalRef<Target>> targets;         // by rule; empty for denies
  std::shared_ptr<RuleCounts> rule_counts;       // of all workers
  std::span<Counter> requests_by_rule;           // this worker's

  const settings::Settings& settings() const { return global->settings(); }
  const rules::RuleTable& table() const { return *global->table; }
};

}  // namespace ocsproxy
