#include "net/timer_wheel.h"

#include <algorithm>
#include <new>

namespace ocsproxy {

void Timer::arm(std::chrono::milliseconds after) {
  // One tick more than the quotient, since the current tick has partly gone by.
  const auto ticks = static_cast<std::uint64_t>(
      (after + TimerWheel::kTick - std::chrono::milliseconds(1)) / TimerWheel::kTick);
  due_ = wheel_->now_ + ticks + 1;
  if (link_ != nullptr && slot_tick_ <= due_) return;  // looked at again when that slot is run
  unlink();
  wheel_->link(*this);
}

void Timer::unlink() {
  if (link_ == nullptr) return;
  *link_ = next_;
  if (next_ != nullptr) next_->link_ = link_;
  next_ = nullptr;
  link_ = nullptr;
  --wheel_->linked_;
}

TimerWheel::~TimerWheel() {
  for (Timer*& head : slots_) {
    while (head != nullptr) head->unlink();
  }
}

void TimerWheel::link(Timer& timer) {
  // A deadline beyond the wheel's reach is linked at its far end and linked again from there.
  timer.slot_tick_ = std::min(timer.due_, tick_ + kSlots - 1);
  Timer*& head = slots_[timer.slot_tick_ % kSlots];
  timer.next_ = head;
  timer.link_ = &head;
  if (head != nullptr) head->link_ = &timer.next_;
  head = &timer;
  ++linked_;
}

void TimerWheel::link_not_before(Timer& timer, std::uint64_t tick) {
  timer.due_ = std::max(timer.due_, tick);
  link(timer);
}

void TimerWheel::advance(std::chrono::milliseconds now) {
  set_now(now);
  const std::uint64_t target = now_;
  if (target <= tick_) return;
  // After a long pause each slot is run once; what is not yet due there is linked again.
  if (target - tick_ > kSlots) tick_ = target - kSlots;
  while (tick_ < target) run_slot(++tick_);
}

std::chrono::milliseconds TimerWheel::next(std::chrono::milliseconds now) const {
  constexpr std::chrono::milliseconds kLongest{60'000};
  if (linked_ == 0) return kLongest;
  for (std::uint64_t tick = tick_ + 1; tick < tick_ + kSlots; ++tick) {
    if (slots_[tick % kSlots] == nullptr) continue;
    const std::chrono::milliseconds due = static_cast<std::int64_t>(tick) * kTick;
    return due > now ? due - now : std::chrono::milliseconds(0);
  }
  return kLongest;
}

void TimerWheel::run_slot(std::uint64_t tick) {
  // Taken off as a whole: callbacks may link into this very slot, or destroy timers of the list.
  Timer* pending = slots_[tick % kSlots];
  slots_[tick % kSlots] = nullptr;
  if (pending != nullptr) pending->link_ = &pending;
  try {
    while (pending != nullptr) {
      Timer& timer = *pending;
      timer.unlink();
      if (timer.due_ == Timer::kNever) continue;
      if (timer.due_ > tick) {
        link(timer);
        continue;
      }
      timer.due_ = Timer::kNever;
      timer.on_expire_(timer.owner_);
    }
  } catch (const std::bad_alloc&) {
    // The others must not be lost with it: they are due with the next slot.
    while (pending != nullptr) {
      Timer& timer = *pending;
      timer.unlink();
      if (timer.due_ != Timer::kNever) link_not_before(timer, tick + 1);
    }
    throw;
  }
}

}  // namespace ocsproxy
