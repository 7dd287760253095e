// The control of a server that loads for itself, because it was not started as root.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "base/descriptor.h"
#include "base/log.h"
#include "listeners/control.h"
#include "listeners/service_manager.h"

namespace ocsproxy {

// Takes the signals (SIGHUP load again, SIGUSR1 open the access log again, SIGTERM and SIGINT
// drain) that `run_supervisor` takes otherwise. Loads run in `receive()`, on the caller's thread.
class LocalLoader final : public ControlSource {
 public:
  // Makes the first load, so that its errors can end the process before anything is served, and
  // blocks the signals named above for this thread and the threads it starts. The error is that of
  // `load`. `log` outlives the loader.
  static Result<std::unique_ptr<LocalLoader>> start(LoadFunction load, const Log& log);
  ~LocalLoader() override = default;
  LocalLoader(const LocalLoader&) = delete;
  LocalLoader& operator=(const LocalLoader&) = delete;

  int descriptor() const override { return epoll_.get(); }
  Result<std::optional<ControlMessage>> receive() override;
  void accepted() override;
  void refused(std::string_view why) override;
  void request_reload() override;

 private:
  LocalLoader(LoadFunction load, const Log& log) : load_(std::move(load)), log_(log) {}
  Status open_descriptors();
  void take_signals();
  void wake();
  std::optional<ControlMessage> next();
  std::optional<ControlMessage> reload();
  std::optional<ControlMessage> reopen_log();
  std::optional<ControlMessage> offer(LoadBundle bundle);

  LoadFunction load_;
  const Log& log_;
  const ServiceManager manager_;
  Descriptor signals_;
  Descriptor wake_;   // an eventfd: something is wanted that no signal asked for
  Descriptor epoll_;  // of both
  std::optional<LoadBundle> first_;
  std::optional<EncodedBundle> good_;     // in force
  std::optional<EncodedBundle> offered_;  // not answered yet
  bool reload_wanted_ = false;
  bool reopen_wanted_ = false;
  int drains_wanted_ = 0;
};

}  // namespace ocsproxy
