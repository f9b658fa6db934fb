#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "common/schedule/schedule.h"

namespace paci {

// Whether no value is an infinity or a NaN.
bool IsFinite(absl::Span<const float> values);

// Whether no value of something is an infinity or a NaN, when asked; empty: there is nothing to
// ask.
using Finite = std::function<bool()>;

// Watches what goes into and comes out of a stage's passes, and remembers of every update where the
// first number that was not finite came from. After the first one, the passes of that update are
// not looked at any more. Single-threaded.
class PoisonWatch {
 public:
  // `schedule` outlives it. `asks_later`: asking waits for a device, and is left until an update is
  // to be skipped; then it is asked in the order of the calls.
  explicit PoisonWatch(const Schedule* schedule, bool asks_later = false)
      : schedule_(*schedule), asks_later_(asks_later) {}

  // `result`: the output, or at the end of the model the loss. `input`: the activation that the
  // forward was given; empty at the beginning of the model.
  void AfterForward(Action action, const Finite& result, const Finite& input);
  // `gradient`: of the output, as it came.
  void BeforeBackward(Action action, const Finite& gradient);
  // `gradient`: of the input.
  void AfterBackward(Action action, const Finite& gradient);

  // Of an update that is being made; empty: nothing was found. `is_skipped`: its weights have a
  // gradient that is not finite. Forgets the update.
  std::string Take(int64_t update, bool is_skipped);

 private:
  int64_t UpdateOf(Action action) const { return action.index / schedule_.config().accumulation; }
  bool IsFound(int64_t update) const { return found_.contains(update); }
  // Now, or when it is asked.
  void Look(Action action, std::function<void()> look);
  void Received(Action action, absl::string_view what, int64_t from_stage);
  void Made(Action action, absl::string_view what);

  const Schedule& schedule_;
  const bool asks_later_;
  std::map<int64_t, std::vector<std::function<void()>>> looks_;  // by update, not made yet
  std::map<int64_t, std::string> found_;  // by update; forwards may be of a later one
};

}  // namespace paci
