#include "listeners/supervisor.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <optional>

#include "base/units.h"
#include "listeners/access_log_file.h"
#include "listeners/child_process.h"
#include "listeners/descriptor_limit.h"
#include "listeners/message_channel.h"
#include "listeners/privileges.h"
#include "listeners/service_manager.h"
#include "listeners/syscall_filter.h"

namespace ocsproxy {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// How long a child may be busy before it reads what it is sent.
constexpr milliseconds kPatience{10'000};
// A server may ask for reloads this often.
constexpr milliseconds kReloadEvery{1'000};
// A first load from which the server dies this often is not going to be served.
constexpr int kFirstTries = 3;

constexpr int kErrors = 1;
constexpr int kUnusable = 2;

struct Child {
  pid_t pid = -1;
  MessageChannel channel;
  Clock::time_point since;

  explicit operator bool() const { return pid > 0; }
};

class Supervisor {
 public:
  Supervisor(const SupervisorOptions& options, const Log& log, Account account)
      : options_(options), log_(log), account_(std::move(account)) {}
  ~Supervisor();
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  int run();

 private:
  // ---- the loop
  Status take_signals();
  void fulfil_wishes();
  void wait();
  milliseconds until_due() const;
  void on_time();
  void on_signals();
  void reap();

  // ---- loads
  void start_loader();
  void on_loader_message();
  void on_loader_end(int status);
  void loaded(EncodedBundle bundle);
  void not_loaded(const std::string& why, int exit_status);

  // ---- the server
  void start_server();
  void offer_to_server(const EncodedBundle& bundle);
  void on_server_messages();
  void on_server_message(const Message& message);
  void on_accepted();
  void on_refused(const std::string& why);
  void on_server_end(pid_t pid, int status);
  void start_again_later();
  void kill_server();

  // ---- the administrator's wishes
  void stop();
  void reopen_log();

  std::optional<Child> fork_child(MessageChannel::Descriptors from_child);

  const SupervisorOptions& options_;
  const Log& log_;
  const Account account_;
  ServiceManager manager_;
  Descriptor signals_;
  sigset_t old_mask_{};
  Child loader_;
  Child server_;
  std::optional<EncodedBundle> good_;     // in force: a server accepted it
  std::optional<EncodedBundle> offered_;  // loaded, and not yet answered by a server
  bool answer_awaited_ = false;           // the server has been sent a bundle
  bool loader_heard_ = false;             // all that it had to say
  bool reload_wanted_ = false;
  bool reopen_wanted_ = false;
  int stops_ = 0;  // how often the administrator said so
  int first_tries_ = 0;
  milliseconds back_off_{};
  std::optional<Clock::time_point> start_at_;  // the server is dead until then
  std::optional<Clock::time_point> kill_at_;   // the drain is over
  Clock::time_point next_asked_reload_;
  std::optional<int> exit_status_;
};

Supervisor::~Supervisor() {
  for (const Child* child : {&loader_, &server_}) {
    if (!*child) continue;
    ::kill(child->pid, SIGKILL);
    while (::waitpid(child->pid, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  if (signals_) ::sigprocmask(SIG_SETMASK, &old_mask_, nullptr);
}

// ---- the loop

int Supervisor::run() {
  if (const Status taken = take_signals(); !taken) {
    log_.error(taken.error().detail);
    return kUnusable;
  }
  back_off_ = options_.first_back_off;
  start_loader();
  while (!exit_status_) {
    wait();
    on_time();
    if (!exit_status_) fulfil_wishes();
  }
  return *exit_status_;
}

// One thing at a time: neither while a load is made or taken over.
void Supervisor::fulfil_wishes() {
  if (loader_ || answer_awaited_ || stops_ > 0) return;
  if (std::exchange(reopen_wanted_, false)) reopen_log();
  if (std::exchange(reload_wanted_, false)) start_loader();
}

Status Supervisor::take_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int one : {SIGHUP, SIGUSR1, SIGTERM, SIGINT, SIGCHLD}) sigaddset(&set, one);
  if (::sigprocmask(SIG_BLOCK, &set, &old_mask_) == 0) {
    signals_.reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  }
  if (!signals_) return Error{.detail = "cannot set up signals: " + errno_text(errno)};
  return Done{};
}

void Supervisor::wait() {
  // poll(2) passes over negative descriptors.
  std::array<pollfd, 3> sources{{{signals_.get(), POLLIN, 0},
                                 {loader_.channel.descriptor(), POLLIN, 0},
                                 {server_.channel.descriptor(), POLLIN, 0}}};
  if (::poll(sources.data(), sources.size(), static_cast<int>(until_due().count())) <= 0) return;
  if (sources[1].revents != 0) on_loader_message();
  if (sources[2].revents != 0) on_server_messages();
  if (sources[0].revents != 0) on_signals();
}

milliseconds Supervisor::until_due() const {
  auto next = Clock::now() + std::chrono::hours(1);
  if (start_at_) next = std::min(next, *start_at_);
  if (kill_at_) next = std::min(next, *kill_at_);
  if (loader_) next = std::min(next, loader_.since + options_.load_at_most);
  const auto left = std::chrono::ceil<milliseconds>(next - Clock::now());
  return std::max(left, milliseconds(0));
}

void Supervisor::on_time() {
  const auto now = Clock::now();
  if (loader_ && now >= loader_.since + options_.load_at_most) {
    log_.error("the load of the configuration was given up after " +
               format_duration(options_.load_at_most) + ": is a file system hanging?");
    ::kill(loader_.pid, SIGKILL);
    loader_.since = now;  // it is reaped when it is gone
  }
  if (kill_at_ && now >= *kill_at_) {
    kill_at_.reset();
    log_.warning("the server has not ended within its drain and is killed");
    kill_server();
  }
  if (start_at_ && now >= *start_at_) start_server();
}

void Supervisor::on_signals() {
  signalfd_siginfo info{};
  while (::read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    switch (static_cast<int>(info.ssi_signo)) {
      case SIGHUP:
        reload_wanted_ = true;
        break;
      case SIGUSR1:
        reopen_wanted_ = true;
        break;
      case SIGCHLD:
        reap();
        break;
      default:
        stop();
    }
  }
}

void Supervisor::reap() {
  int status = 0;
  if (loader_ && ::waitpid(loader_.pid, &status, WNOHANG) == loader_.pid) {
    on_loader_message();  // its last words
    on_loader_end(status);
  }
  if (server_ && ::waitpid(server_.pid, &status, WNOHANG) == server_.pid) {
    const pid_t pid = std::exchange(server_.pid, -1);  // nobody is to be killed by it any more
    on_server_messages();
    on_server_end(pid, status);
  }
}

// In the parent the child with this end of a new channel; in the child the same with pid 0 and the
// other end. Nothing when the system is out of processes or descriptors.
std::optional<Child> Supervisor::fork_child(MessageChannel::Descriptors from_child) {
  auto ends = MessageChannel::pair();
  if (!ends) {
    log_.error(ends.error().detail);
    return std::nullopt;
  }
  const pid_t pid = ::fork();
  if (pid < 0) {
    log_.error("cannot start a process: " + errno_text(errno));
    return std::nullopt;
  }
  Child child{.pid = pid, .channel = {}, .since = Clock::now()};
  if (pid == 0) {
    child.channel = {std::move(ends->second), MessageChannel::Descriptors::accept};
    // What is the supervisor's is not the child's to hold.
    loader_ = {};
    server_ = {};
    manager_.leave();
    signals_.reset();
  } else {
    child.channel = {std::move(ends->first), from_child};
  }
  return child;
}

// ---- loads

void Supervisor::start_loader() {
  loader_heard_ = false;
  if (good_) manager_.reloading();
  const pid_t self = ::getpid();
  auto child = fork_child(MessageChannel::Descriptors::accept);
  if (!child) {
    not_loaded("no process could be started for it", kUnusable);
  } else if (child->pid == 0) {
    // Also an offer that no server has taken yet holds its sockets.
    std::optional<EncodedBundle> last = std::move(offered_ ? offered_ : good_);
    offered_.reset();
    good_.reset();
    run_loader(self, options_.load, std::move(last), std::move(child->channel));
  } else {
    loader_ = *std::move(child);
  }
}

void Supervisor::on_loader_message() {
  if (!loader_.channel) return;
  auto received = loader_.channel.receive();
  if (!received) {
    loader_.channel = {};
    return;
  }
  if (!*received) return;
  Message message = *std::move(*received);
  loader_.channel = {};
  loader_heard_ = true;
  if (stops_ > 0) return;
  if (message.type == MessageType::unloadable && message.descriptors.size() == 1) {
    const auto text = read_sealed_memory(message.descriptors.front().get());
    not_loaded(text ? *text : text.error().detail,
               message.text == kHasErrors ? kErrors : kUnusable);
    return;
  }
  auto bundle = bundle_of(std::move(message));
  if (bundle) {
    loaded(*std::move(bundle));
  } else {
    not_loaded(bundle.error().detail, kUnusable);
  }
}

void Supervisor::on_loader_end(int status) {
  loader_ = {};
  if (!loader_heard_ && stops_ == 0) not_loaded("the loader " + describe_end(status), kUnusable);
}

void Supervisor::loaded(EncodedBundle bundle) {
  const auto summary = decode_summary(bundle);
  if (!summary) {
    not_loaded(summary.error().detail, kUnusable);
    return;
  }
  if (!summary->findings.empty()) log_.warning(summary->findings);
  offered_ = std::move(bundle);
  if (server_) {
    offer_to_server(*offered_);
  } else {
    start_server();  // without waiting: what ended the last one may be mended
  }
}

void Supervisor::not_loaded(const std::string& why, int exit_status) {
  if (good_ || offered_) {
    manager_.ready(kServingAsBefore);
    log_.error("the configuration was not loaded, the one before stays in force:\n" + why);
    return;
  }
  log_.error("the configuration was not loaded:\n" + why);
  exit_status_ = exit_status;
}

// ---- the server

void Supervisor::start_server() {
  start_at_.reset();
  const pid_t self = ::getpid();
  auto child = fork_child(MessageChannel::Descriptors::refuse);
  if (!child) {
    start_again_later();
    return;
  }
  if (child->pid == 0) {
    // The sockets come through the channel, like those of every later load.
    good_.reset();
    offered_.reset();
    run_server(self, account_, options_.serve, std::move(child->channel), log_);
  }
  server_ = *std::move(child);
  offer_to_server(offered_ ? *offered_ : *good_);
}

void Supervisor::offer_to_server(const EncodedBundle& bundle) {
  const Status sent = send_bundle(server_.channel, bundle, kPatience);
  answer_awaited_ = static_cast<bool>(sent);
  if (sent) return;
  log_.error("the load cannot be given to the server: " + sent.error().detail);
  kill_server();  // the next one gets it
}

void Supervisor::on_server_messages() {
  // Not more in one go, so that a server that has gone mad does not keep the supervisor from
  // hearing its administrator.
  constexpr int kBatch = 16;
  for (int i = 0; i < kBatch && server_.channel; ++i) {
    auto received = server_.channel.receive();
    if (!received) {
      if (received.error().kind != ErrorKind::closed) log_.error(received.error().detail);
      server_.channel = {};
      kill_server();  // out of reach, or dead already
      return;
    }
    if (!*received) return;
    on_server_message(**received);
  }
}

void Supervisor::on_server_message(const Message& message) {
  switch (message.type) {
    case MessageType::accepted:
      if (answer_awaited_) on_accepted();
      return;
    case MessageType::refused:
      if (answer_awaited_) on_refused(message.text);
      return;
    case MessageType::reload:
      if (Clock::now() < next_asked_reload_) return;
      next_asked_reload_ = Clock::now() + kReloadEvery;
      reload_wanted_ = true;
      return;
    default:
      log_.error("the server sent what only the supervisor may send, and is ended");
      kill_server();
  }
}

void Supervisor::on_accepted() {
  answer_awaited_ = false;
  manager_.ready(kServing);
  if (offered_) good_ = std::exchange(offered_, std::nullopt);
}

void Supervisor::on_refused(const std::string& why) {
  answer_awaited_ = false;
  const bool was_new = offered_.has_value();
  offered_.reset();  // its new sockets close with it
  if (!good_) {
    log_.error("the configuration cannot be served:\n" + why);
    exit_status_ = kErrors;
  } else if (was_new) {
    manager_.ready(kServingAsBefore);
    log_.error("the configuration was not loaded, the one before stays in force:\n" + why);
  } else {
    log_.error("the server cannot serve what was served before:\n" + why);
    kill_server();
  }
}

void Supervisor::on_server_end(pid_t pid, int status) {
  const std::string end = "the server (pid " + std::to_string(pid) + ") " + describe_end(status);
  const bool lived = Clock::now() - server_.since >= options_.calm;
  const bool taking_over = std::exchange(answer_awaited_, false);
  server_ = {};
  if (exit_status_) return;
  if (stops_ > 0) {
    const bool well = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (!well) log_.warning(end);
    exit_status_ = well ? 0 : kErrors;
    return;
  }
  if (offered_ && good_ && taking_over) {
    log_.error(end + " when it took over the new configuration; the one before stays in force");
    offered_.reset();  // its new sockets close with it
  } else if (!good_ && ++first_tries_ == kFirstTries) {
    log_.error(end + ", each time before it served anything; giving up");
    exit_status_ = kErrors;
    return;
  } else {
    log_.error(end);
  }
  if (lived) back_off_ = options_.first_back_off;
  start_again_later();
}

void Supervisor::start_again_later() {
  log_.error("the server is started again in " + format_duration(back_off_) +
             "; connections wait in the meantime");
  start_at_ = Clock::now() + back_off_;
  back_off_ = std::min(2 * back_off_, options_.longest_back_off);
}

void Supervisor::kill_server() {
  if (server_) ::kill(server_.pid, SIGKILL);
}

// ---- the administrator's wishes

void Supervisor::stop() {
  ++stops_;
  manager_.stopping();
  if (loader_) ::kill(loader_.pid, SIGKILL);
  if (!server_) {
    exit_status_ = 0;
    return;
  }
  // Once: finish what is under way. Twice: end at once, in good order. Then there is no asking.
  if (stops_ > 2 || !server_.channel.send(MessageType::drain, {}, {}, kPatience)) {
    kill_server();
    return;
  }
  const auto& bundle = good_ ? good_ : offered_;
  const auto summary = decode_summary(*bundle);
  const milliseconds drain = summary && stops_ == 1 ? summary->drain : milliseconds(0);
  kill_at_ = Clock::now() + drain + options_.drain_grace;
}

void Supervisor::reopen_log() {
  auto& bundle = offered_ ? offered_ : good_;
  if (!bundle) return;
  const auto file = reopen_access_log(*bundle);
  if (!file) {
    log_.error(file.error().detail);
    return;
  }
  if (!server_) return;  // the next one gets it with its bundle
  const int descriptor = file->get();
  if (!server_.channel.send(MessageType::reopen_log, {}, {&descriptor, 1}, kPatience))
    kill_server();
}

}  // namespace

int run_supervisor(const SupervisorOptions& options, const Log& log) {
  auto account = find_account(options.user);
  if (!account) {
    log.error(account.error().detail);
    return kUnusable;
  }
  raise_descriptor_limit();
  if (const Status kept = keep_memory_private(); !kept) log.warning(kept.error().detail);
  if (const Status confined = confine(Confinement::supervisor); !confined)
    log.warning(confined.error().detail + "; the program runs without");
  return Supervisor(options, log, *std::move(account)).run();
}

}  // namespace ocsproxy
