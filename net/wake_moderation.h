// When a busy worker lets events gather before it looks again, as network cards moderate their
// interrupts: to fall asleep and to be woken costs as much as half a small request, and a worker
// that is faster than what it serves would do it for every second one. What an answer waits for the
// pause is less than what it would have waited for the work that is saved: crowds are served
// sooner.
#pragma once

#include <algorithm>
#include <chrono>

namespace ocsproxy {

class WakeModeration {
 public:
  // How long to wait. The kernel's timer slack (50 us by default) comes on top.
  static constexpr std::chrono::microseconds kPause{200};

  // After each look at the set that brought `events`; `now` is monotonic.
  void looked(std::chrono::nanoseconds now, int events) {
    const std::chrono::nanoseconds since = now - last_;
    last_ = now;
    interval_ += (std::min<std::chrono::nanoseconds>(since, kCalm) - interval_) / kMemory;
    sixteenths_ += (16 * events - sixteenths_) / kMemory;
  }
  // Nothing is ready: are several events to be expected within the pause? Few clients who wait for
  // one answer at a time would only be answered later: there, however quick they are, a look brings
  // few events.
  bool pays() const {
    const bool crowd = sixteenths_ >= 16 * kSeveral;
    return crowd && interval_ < kOften && sixteenths_ * kPause >= 16 * kSeveral * interval_;
  }

 private:
  static constexpr int kMemory = 8;  // of the last looks
  static constexpr std::chrono::microseconds kOften{1000};
  static constexpr std::chrono::milliseconds kCalm{2};
  static constexpr int kSeveral = 5;

  std::chrono::nanoseconds last_{};
  std::chrono::nanoseconds interval_ = kCalm;  // between looks, smoothed
  int sixteenths_ = 0;                         // of an event per look, smoothed
};

}  // namespace ocsproxy
