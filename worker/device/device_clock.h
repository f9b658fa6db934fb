#pragma once

#include <c10/core/Event.h>

#include <deque>
#include <optional>
#include <vector>

#include "worker/stage/compute.h"

namespace paci {

// On a device that works on its own: how far the host runs ahead of it, and what its actions take,
// by events on its stream, which nothing waits for. At most one action is put on the stream while
// another runs: the device never idles for the host, and the host decides what comes next no
// earlier than it must. Single-threaded.
class DeviceClock {
 public:
  explicit DeviceClock(c10::Device device) : device_(device) {}

  // Around what puts an action on the device's present stream. Begin waits for the last but one.
  void Begin();
  void End();
  // Of the actions that are done and were not taken yet, oldest first.
  std::vector<ActionTime> Take();
  // The same once all of them are done.
  std::vector<ActionTime> TakeAll();

 private:
  struct Action {
    c10::Event begin;
    c10::Event end;
  };
  c10::Stream Present() const;
  ActionTime TakeFront();

  const c10::Device device_;
  std::deque<Action> under_way_;
  std::optional<c10::Event> last_end_;  // of the last action that was taken
  double seconds_ = 0;                  // from the first begin to last_end_
};

}  // namespace paci
