#include "listeners/local_loader.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "listeners/access_log_file.h"

namespace ocsproxy {
namespace {

sigset_t control_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int one : {SIGHUP, SIGUSR1, SIGTERM, SIGINT}) sigaddset(&set, one);
  return set;
}

}  // namespace

Result<std::unique_ptr<LocalLoader>> LocalLoader::start(LoadFunction load, const Log& log) {
  std::unique_ptr<LocalLoader> loader(new LocalLoader(std::move(load), log));
  auto first = loader->load_(nullptr);
  if (!first) return std::move(first).error();
  loader->first_ = *std::move(first);
  if (const Status opened = loader->open_descriptors(); !opened) return opened.error();
  loader->wake();
  return loader;
}

Status LocalLoader::open_descriptors() {
  const sigset_t set = control_signals();
  const auto failed = [](const char* what) {
    return Error{.detail = std::string("cannot set up ") + what + ": " + errno_text(errno)};
  };
  if (::pthread_sigmask(SIG_BLOCK, &set, nullptr) != 0) return failed("signals");
  signals_.reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  wake_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
  for (const int source : {signals_.get(), wake_.get()}) {
    epoll_event event{.events = EPOLLIN, .data = {.fd = source}};
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, source, &event) != 0) return failed("signals");
  }
  return Done{};
}

void LocalLoader::wake() {
  const std::uint64_t one = 1;
  (void)!::write(wake_.get(), &one, sizeof one);  // full is as good as written
}

void LocalLoader::take_signals() {
  std::uint64_t count = 0;
  (void)!::read(wake_.get(), &count, sizeof count);
  signalfd_siginfo info{};
  while (::read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    switch (static_cast<int>(info.ssi_signo)) {
      case SIGHUP:
        reload_wanted_ = true;
        break;
      case SIGUSR1:
        reopen_wanted_ = true;
        break;
      default:
        ++drains_wanted_;
    }
  }
}

Result<std::optional<ControlMessage>> LocalLoader::receive() {
  take_signals();
  return next();
}

std::optional<ControlMessage> LocalLoader::next() {
  if (drains_wanted_ > 0) {
    --drains_wanted_;
    manager_.stopping();
    return ControlMessage();
  }
  if (offered_) return std::nullopt;
  if (first_) return offer(*std::exchange(first_, std::nullopt));
  if (reopen_wanted_) {
    reopen_wanted_ = false;
    if (auto message = reopen_log()) return message;
  }
  if (reload_wanted_) {
    reload_wanted_ = false;
    return reload();
  }
  return std::nullopt;
}

std::optional<ControlMessage> LocalLoader::reload() {
  manager_.reloading();
  const auto in_force = [this]() -> Result<LoadBundle> {
    auto copy = duplicate(*good_);
    if (!copy) return std::move(copy).error();
    return decode(*std::move(copy));
  };
  const Result<LoadBundle> last = in_force();
  auto loaded = last ? load_(&*last) : last.error();
  if (!loaded) {
    log_.error("the configuration was not loaded, the one before stays in force:\n" +
               loaded.error().detail);
    manager_.ready(kServingAsBefore);
    return std::nullopt;
  }
  return offer(*std::move(loaded));
}

// Keeps the sockets too: the next load takes over those that did not change.
std::optional<ControlMessage> LocalLoader::offer(LoadBundle bundle) {
  if (!bundle.summary.findings.empty()) log_.warning(bundle.summary.findings);
  const auto kept = [&]() -> Result<LoadBundle> {
    auto encoded = encode(std::move(bundle));
    if (!encoded) return std::move(encoded).error();
    auto copy = duplicate(*encoded);
    if (!copy) return std::move(copy).error();
    offered_ = *std::move(encoded);
    return decode(*std::move(copy));
  };
  Result<LoadBundle> offered = kept();
  if (offered) {
    return ControlMessage{
        .kind = ControlMessage::Kind::bundle, .bundle = *std::move(offered), .access_log = {}};
  }
  offered_.reset();
  log_.error("the configuration was not loaded: " + offered.error().detail);
  if (good_) manager_.ready(kServingAsBefore);
  return good_ ? std::nullopt : std::optional(ControlMessage());  // nothing to serve: end
}

std::optional<ControlMessage> LocalLoader::reopen_log() {
  if (!good_) return std::nullopt;
  auto file = reopen_access_log(*good_);
  if (!file) {
    log_.error(file.error().detail);
    return std::nullopt;
  }
  return ControlMessage{
      .kind = ControlMessage::Kind::reopen_log, .bundle = {}, .access_log = *std::move(file)};
}

void LocalLoader::accepted() {
  manager_.ready(kServing);
  good_ = std::exchange(offered_, std::nullopt);
  wake();  // for what was asked for in the meantime
}

void LocalLoader::refused(std::string_view why) {
  log_.error(std::string(good_
                             ? "the configuration was not loaded, the one before stays in force:\n"
                             : "the configuration cannot be served:\n") +
             std::string(why));
  offered_.reset();
  manager_.ready(kServingAsBefore);
  wake();
}

void LocalLoader::request_reload() {
  reload_wanted_ = true;
  wake();
}

}  // namespace ocsproxy
