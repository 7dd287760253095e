// What the service manager (systemd, Type=notify) is told about the program's state.
#pragma once

#include <string>
#include <string_view>

#include "base/descriptor.h"

namespace ocsproxy {

// Short texts for `systemctl status`.
inline constexpr std::string_view kServing = "serving";
inline constexpr std::string_view kServingAsBefore =
    "serving as before the last reload, which failed";

class ServiceManager {
 public:
  // The one that started this process and said so in NOTIFY_SOCKET; else nobody is told anything.
  ServiceManager();

  void ready(std::string_view status) const;
  // Followed by `ready`, however the load went.
  void reloading() const;
  void stopping() const;
  // For a child process: it is not the service.
  void leave() { socket_.reset(); }

 private:
  void tell(const std::string& state) const;

  Descriptor socket_;
};

}  // namespace ocsproxy
