// The serving process: takes loads from its control, runs the workers by them, drains.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "listeners/control.h"
#include "listeners/question_server.h"
#include "listeners/worker.h"
#include "proxy/access_log_writer.h"
#include "proxy/snapshot.h"
#include "tls/openssl.h"
#include "tls/ticket_keys.h"

namespace ocsproxy {

// Compiles what a load says: rules, certificates, roots. Findings of all parts are added; with
// errors among them the answer is null. `loaded` must be free of errors by itself. Used by the
// server for what it serves, and by whoever wants to know before whether it would.
std::shared_ptr<const Snapshot> compile_snapshot(settings::Loaded loaded, Files& files,
                                                 std::uint64_t generation, Findings& findings);

class Runtime {
 public:
  // `configuration` is the path that the loads were made of. `control` and `log` outlive the
  // runtime, and so does `questions`, which is told each load; null when none are answered. Starts
  // no thread yet.
  Runtime(ControlSource& control, std::string configuration, const Log& log,
          QuestionServer* questions = nullptr);
  ~Runtime();
  Runtime(const Runtime&) = delete;  // workers refer to its parts
  Runtime& operator=(const Runtime&) = delete;

  // Serves until it has been drained. On the calling thread, which becomes the control's. Returns
  // the exit status: 0, or 1 when the first load could not be served.
  int run();

 private:
  Status apply(LoadBundle bundle);
  void start_workers(std::size_t count, const settings::Settings& settings, Descriptor access_log);
  std::vector<std::vector<WorkerEndpoint>> endpoints_for_workers(
      LoadBundle& bundle, const settings::Settings& settings);
  void switch_log(Descriptor access_log, settings::AccessLog::Format format);
  void set_budget(const settings::ProcessLimits& limits);
  void watch_load();
  void give_memory_back_when_due();
  void rotate_tickets_when_due();
  void warn_of_expiry_when_due();
  // True when the process may end.
  bool handle(ControlMessage message);
  void tell_questions();
  void drain();
  void end_workers();
  void report_counters() const;

  ControlSource& control_;
  const std::string configuration_;
  const Log& log_;
  QuestionServer* const questions_;
  const Library library_;
  const std::string via_;
  ProcessLoad load_;
  FloodTable flood_;  // stays when the configuration changes
  std::shared_ptr<const TicketKeys> ticket_keys_;
  std::chrono::steady_clock::time_point tickets_rotated_;
  std::chrono::steady_clock::time_point expiry_looked_at_;
  std::chrono::steady_clock::time_point load_said_;
  bool was_loaded_ = false;
  std::chrono::steady_clock::time_point memory_given_back_;
  std::shared_ptr<const Snapshot> snapshot_;
  std::shared_ptr<RuleCounts> rule_counts_;
  std::uint64_t generation_ = 0;
  std::map<std::string, std::shared_ptr<ListenerLoad>> loads_;  // by listener
  std::unique_ptr<AccessLogWriter> access_log_;
  std::vector<std::unique_ptr<Worker>> workers_;  // before the log's writer ends, they must
};

}  // namespace ocsproxy
