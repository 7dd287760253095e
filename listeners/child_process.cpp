#include "listeners/child_process.h"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>

#include "listeners/supervisor_channel.h"
#include "listeners/syscall_filter.h"

namespace ocsproxy {
namespace {

constexpr std::chrono::milliseconds kPatience{30'000};
constexpr int kNotServed = 1;

// The signals are the supervisor's to take. A terminal and some service managers send theirs to all
// processes of a service at once, which must not end the children behind the supervisor's back.
void leave_signals_to_supervisor() {
  for (const int one : {SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGPIPE}) ::signal(one, SIG_IGN);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

Result<LoadBundle> load_after(const LoadFunction& load, std::optional<EncodedBundle> last) {
  if (!last) return load(nullptr);
  auto decoded = decode(*std::move(last));
  if (!decoded) return std::move(decoded).error();
  return load(&*decoded);
}

Status send_failure(MessageChannel& channel, const Error& error) {
  const auto text = sealed_memory(error.detail);
  if (!text) return text.error();
  const int descriptor = text->get();
  return channel.send(MessageType::unloadable,
                      error.kind == ErrorKind::malformed ? kHasErrors : kUnreadable,
                      {&descriptor, 1}, kPatience);
}

}  // namespace

void run_loader(pid_t supervisor, const LoadFunction& load, std::optional<EncodedBundle> last,
                MessageChannel channel) {
  leave_signals_to_supervisor();
  if (!end_with_parent(supervisor)) ::_exit(kNotServed);
  Status sent = Done{};
  {
    auto bundle = load_after(load, std::move(last));
    auto encoded = bundle ? encode(*std::move(bundle)) : std::move(bundle).error();
    sent = encoded ? send_bundle(channel, *encoded, kPatience)
                   : send_failure(channel, encoded.error());
  }
  ::_exit(sent ? 0 : kNotServed);
}

void run_server(pid_t supervisor, const Account& account,
                const std::function<int(ControlSource&)>& serve, MessageChannel channel,
                const Log& log) {
  leave_signals_to_supervisor();
  if (const Status dropped = become(account); !dropped) {
    log.error(dropped.error().detail);
    ::_exit(kNotServed);
  }
  if (!end_with_parent(supervisor)) ::_exit(kNotServed);
  if (const Status confined = confine(Confinement::server); !confined)
    log.warning(confined.error().detail + "; the server runs without");
  SupervisorChannel control(std::move(channel));
  // Not exit(): what the supervisor set up to run at its end is not the server's to run.
  ::_exit(serve(control));
}

std::string describe_end(int status) {
  if (WIFSIGNALED(status)) {
    const int number = WTERMSIG(status);
    if (number == SIGSYS) {
      return "was killed by the kernel for a system call that ocsproxy never makes (SIGSYS): take "
             "it for a break-in until you know better, keep the logs, and look for the number of "
             "the call in the kernel's (journalctl -k, \"type=1326\")";
    }
    return "was killed by signal " + std::to_string(number) + " (" + ::strsignal(number) + ')';
  }
  return "ended with status " + std::to_string(WEXITSTATUS(status));
}

}  // namespace ocsproxy
