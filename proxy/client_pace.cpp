#include "proxy/client_pace.h"

#include <algorithm>

#include "net/tcp_counts.h"

namespace ocsproxy {
namespace {

using std::chrono::milliseconds;

// How old a body gets before it is looked at.
constexpr milliseconds kFirstLook{1'000};

}  // namespace

void ClientPace::begin(const Socket& client, std::uint32_t rate, milliseconds grace, bool excused) {
  client_ = &client;
  rate_ = rate;
  grace_ = grace;
  excused_ = excused;
  waiting_ = looked_ = false;
  waited_ = milliseconds(0);
  timer_.arm(kFirstLook);
}

void ClientPace::waits(bool for_client) {
  if (for_client == waiting_) return;
  if (waiting_) waited_ += reactor_.now() - since_;
  waiting_ = for_client;
  since_ = reactor_.now();
}

milliseconds ClientPace::waited() const {
  return waited_ + (waiting_ ? reactor_.now() - since_ : milliseconds(0));
}

void ClientPace::start_over(std::uint64_t moved, milliseconds next) {
  moved_ = moved;
  waited_ = milliseconds(0);
  since_ = reactor_.now();
  timer_.arm(next);
}

void ClientPace::look() {
  const TcpCounts counts = tcp_counts(client_->fd());
  const std::uint64_t moved = way_ == Way::sends ? counts.received : counts.acknowledged;
  if (excused_ && looked_ && moved != moved_) excused_ = false;
  if (!std::exchange(looked_, true) || excused_) {
    start_over(moved, grace_);
    return;
  }
  const milliseconds time = waited();
  if (time < grace_) {
    timer_.arm(std::max(grace_ - time, kFirstLook));
    return;
  }
  const auto due = std::uint64_t{rate_} * static_cast<std::uint64_t>(time.count()) / 1000;
  if (moved - moved_ < due) {
    on_slow_(owner_);
    return;
  }
  start_over(moved, grace_);
}

}  // namespace ocsproxy
