#include "worker/device/device_clock.h"

#include <utility>

namespace paci {
namespace {

constexpr double kSecondsPerMillisecond = 1e-3;

c10::Event TimedEvent(c10::Device device) {
  return c10::Event(device.type(), c10::EventFlag::BACKEND_DEFAULT);
}

}  // namespace

c10::Stream DeviceClock::Present() const {
  return c10::impl::VirtualGuardImpl(device_.type()).getStream(device_);
}

void DeviceClock::Begin() {
  if (under_way_.size() >= 2) under_way_[under_way_.size() - 2].end.synchronize();
  under_way_.push_back({TimedEvent(device_), TimedEvent(device_)});
  under_way_.back().begin.record(Present());
}

void DeviceClock::End() { under_way_.back().end.record(Present()); }

std::vector<ActionTime> DeviceClock::Take() {
  std::vector<ActionTime> times;
  while (!under_way_.empty() && under_way_.front().end.was_marked_for_recording() &&
         under_way_.front().end.query()) {
    times.push_back(TakeFront());
  }
  return times;
}

std::vector<ActionTime> DeviceClock::TakeAll() {
  if (!under_way_.empty()) under_way_.back().end.synchronize();
  return Take();
}

ActionTime DeviceClock::TakeFront() {
  Action action = std::move(under_way_.front());
  under_way_.pop_front();
  ActionTime time;
  if (last_end_) time.idle_seconds = kSecondsPerMillisecond * last_end_->elapsedTime(action.begin);
  time.begin_seconds = seconds_ + time.idle_seconds;
  time.seconds = kSecondsPerMillisecond * action.begin.elapsedTime(action.end);
  seconds_ = time.begin_seconds + time.seconds;
  last_end_ = std::move(action.end);
  return time;
}

}  // namespace paci
