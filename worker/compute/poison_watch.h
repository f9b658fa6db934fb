#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "common/schedule/schedule.h"

namespace paci {

// Whether no value is an infinity or a NaN.
bool IsFinite(absl::Span<const float> values);

// Watches what goes into and comes out of a stage's passes, and remembers of every update where the
// first number that was not finite came from. After the first one, the passes of that update are
// not looked at any more. Single-threaded.
class PoisonWatch {
 public:
  // `schedule` outlives it.
  explicit PoisonWatch(const Schedule* schedule) : schedule_(*schedule) {}

  // `result`: the output, or at the end of the model the loss. `input`: the activation that the
  // forward was given; empty at the beginning of the model.
  void AfterForward(Action action, absl::Span<const float> result, absl::Span<const float> input);
  // `gradient`: of the output, as it came.
  void BeforeBackward(Action action, absl::Span<const float> gradient);
  // `gradient`: of the input.
  void AfterBackward(Action action, absl::Span<const float> gradient);

  // Of an update that is being made; empty: nothing was found. `is_skipped`: its weights have a
  // gradient that is not finite. Forgets the update.
  std::string Take(int64_t update, bool is_skipped);

 private:
  int64_t UpdateOf(Action action) const { return action.index / schedule_.config().accumulation; }
  bool IsFound(Action action) const { return found_.count(UpdateOf(action)) > 0; }
  void Received(Action action, absl::string_view what, int64_t from_stage);
  void Made(Action action, absl::string_view what);

  const Schedule& schedule_;
  std::map<int64_t, std::string> found_;  // by update; forwards may be of a later one
};

}  // namespace paci
