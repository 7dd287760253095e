// What a running server serves and has counted, as other threads than its own may see it.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "listeners/listener_load.h"
#include "proxy/access_log_writer.h"
#include "proxy/counters.h"
#include "proxy/rule_counts.h"
#include "proxy/snapshot.h"

namespace ocsproxy {

// One for each load. The pointers are good until the runtime has ended QuestionServer.
struct Served {
  std::shared_ptr<const Snapshot> snapshot;
  std::chrono::system_clock::time_point since;  // it is in force
  std::vector<const Counters*> workers;
  std::map<std::string, std::shared_ptr<const ListenerLoad>> listeners;  // by name, old ones too
  std::shared_ptr<const RuleCounts> rules;
  const AccessLogWriter* access_log = nullptr;
};

}  // namespace ocsproxy
