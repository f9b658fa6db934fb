#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace paci {

// Something that will have happened at `stage`.
struct SimulatedEvent {
  enum class What : uint8_t { kActionEnds, kActivation, kGradient, kEvaluationActivation };

  int64_t nanoseconds;
  int32_t stage;
  What what;
};

// The earliest first; those of one instant in no order that means anything. Single-threaded.
class EventHeap {
 public:
  bool empty() const { return events_.empty(); }
  const SimulatedEvent& top() const { return events_.front(); }

  void Push(const SimulatedEvent& event) {
    events_.push_back(event);
    std::push_heap(events_.begin(), events_.end(), IsLater);
  }
  SimulatedEvent Pop() {
    std::pop_heap(events_.begin(), events_.end(), IsLater);
    const SimulatedEvent event = events_.back();
    events_.pop_back();
    return event;
  }

 private:
  static bool IsLater(const SimulatedEvent& a, const SimulatedEvent& b) {
    return a.nanoseconds > b.nanoseconds;
  }

  std::vector<SimulatedEvent> events_;
};

}  // namespace paci
