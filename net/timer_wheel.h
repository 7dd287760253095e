// The deadlines of one worker: a coarse hashed wheel, so that a request costs no timer object and
// moving a deadline further away costs one store.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace ocsproxy {

class TimerWheel;

// A deadline that can be armed, moved and cleared as often as needed. Lives in the object it
// guards; destroying it clears it. Fires at most once per arming, up to two ticks late, never
// early.
class Timer {
 public:
  // `on_expire(owner)` runs on the worker's thread from the wheel's advance; it may arm, clear and
  // destroy any timer.
  using Callback = void (*)(void* owner);
  Timer(TimerWheel& wheel, Callback on_expire, void* owner)
      : wheel_(&wheel), on_expire_(on_expire), owner_(owner) {}
  ~Timer() { unlink(); }
  Timer(const Timer&) = delete;  // linked into the wheel by address
  Timer& operator=(const Timer&) = delete;

  void arm(std::chrono::milliseconds after);
  // Cheap: the wheel forgets the timer when it next passes its slot.
  void clear() { due_ = kNever; }
  bool armed() const { return due_ != kNever; }

 private:
  friend class TimerWheel;
  static constexpr std::uint64_t kNever = ~std::uint64_t{0};
  void unlink();

  TimerWheel* wheel_;
  Callback on_expire_;
  void* owner_;
  std::uint64_t due_ = kNever;   // tick
  std::uint64_t slot_tick_ = 0;  // the tick whose slot it is linked in
  Timer* next_ = nullptr;
  Timer** link_ = nullptr;  // what points at this; null when not linked
};

class TimerWheel {
 public:
  static constexpr std::chrono::milliseconds kTick{50};

  // `now`: any monotonic time; all calls use the same clock.
  explicit TimerWheel(std::chrono::milliseconds now) : tick_(now / kTick), now_(tick_) {}
  ~TimerWheel();
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;

  // From when on timers count that are armed from now on.
  void set_now(std::chrono::milliseconds now) { now_ = static_cast<std::uint64_t>(now / kTick); }
  // Fires all that is due. Called once a tick or less often.
  void advance(std::chrono::milliseconds now);
  // How long until `advance` may have something to do; at most a minute.
  std::chrono::milliseconds next(std::chrono::milliseconds now) const;
  std::size_t linked() const { return linked_; }

 private:
  friend class Timer;
  static constexpr std::size_t kSlots = 1024;
  void link(Timer& timer);
  void link_not_before(Timer& timer, std::uint64_t tick);
  void run_slot(std::uint64_t tick);

  std::uint64_t tick_;  // all slots up to this one have been run
  std::uint64_t now_;   // the current tick, not before that one
  std::size_t linked_ = 0;
  std::array<Timer*, kSlots> slots_{};
};

}  // namespace ocsproxy
