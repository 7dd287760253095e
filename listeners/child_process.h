// What the supervisor's children do between fork and their end. Called in the child, which has one
// thread and holds nothing of the supervisor's any more but what it is given.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/log.h"
#include "listeners/control.h"
#include "listeners/message_channel.h"
#include "listeners/privileges.h"

namespace ocsproxy {

// In `MessageType::unloadable`: what kind of failure the findings are.
inline constexpr std::string_view kHasErrors = "has errors";
inline constexpr std::string_view kUnreadable = "unreadable";

// Makes a load, as root, and sends it, or why there is none. `last` is the load in force.
[[noreturn]] void run_loader(pid_t supervisor, const LoadFunction& load,
                             std::optional<EncodedBundle> last, MessageChannel channel);

// Gives up root and serves. The exit status is that of `serve`.
[[noreturn]] void run_server(pid_t supervisor, const Account& account,
                             const std::function<int(ControlSource&)>& serve,
                             MessageChannel channel, const Log& log);

// How a process ended, for a sentence that begins with it: "was killed by signal 11 (Segmentation
// fault)", "ended with status 1". `status` is that of waitpid(2).
std::string describe_end(int status);

}  // namespace ocsproxy
