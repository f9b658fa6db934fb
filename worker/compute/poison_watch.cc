#include "worker/compute/poison_watch.h"

#include <cstring>

#include "absl/strings/str_cat.h"
#include "common/telemetry/poison.h"

namespace paci {

bool IsFinite(absl::Span<const float> values) {
  // Infinities and NaNs are the numbers with every bit of the exponent set. Without a branch, so
  // that it is one pass at the speed of memory.
  constexpr uint32_t kExponent = 0x7f800000;
  uint32_t is_found = 0;
  for (const float value : values) {
    uint32_t bits = 0;
    std::memcpy(&bits, &value, sizeof(bits));
    is_found |= static_cast<uint32_t>((bits & kExponent) == kExponent);
  }
  return is_found == 0;
}

void PoisonWatch::AfterForward(Action action, absl::Span<const float> result,
                               absl::Span<const float> input) {
  if (IsFound(action) || IsFinite(result)) return;
  const int64_t stages = schedule_.config().stages;
  if (!IsFinite(input)) {
    return Received(action, "activation", (schedule_.stage() + stages - 1) % stages);
  }
  if (!schedule_.MakesFrame(action)) {
    return Made(action, absl::StrCat("the loss of micro-batch ", action.index, " is not finite"));
  }
  Made(action, absl::StrCat("the output of the forward of micro-batch ", action.index,
                            " is not finite, its input was"));
}

void PoisonWatch::BeforeBackward(Action action, absl::Span<const float> gradient) {
  if (IsFound(action) || IsFinite(gradient)) return;
  Received(action, "gradient", (schedule_.stage() + 1) % schedule_.config().stages);
}

void PoisonWatch::AfterBackward(Action action, absl::Span<const float> gradient) {
  if (IsFound(action) || IsFinite(gradient)) return;
  Made(action,
       absl::StrCat("the gradient became so in the backward of micro-batch ", action.index));
}

std::string PoisonWatch::Take(int64_t update, bool is_skipped) {
  std::string found;
  if (const auto it = found_.find(update); it != found_.end()) found = it->second;
  found_.erase(found_.begin(), found_.upper_bound(update));
  if (found.empty() && is_skipped) {
    return PoisonMade(update,
                      "a gradient of the stage's weights became so, what came and left did not");
  }
  return found;
}

void PoisonWatch::Received(Action action, absl::string_view what, int64_t from_stage) {
  const int64_t update = UpdateOf(action);
  found_[update] = PoisonReceived(update, what, action.index, from_stage);
}

void PoisonWatch::Made(Action action, absl::string_view what) {
  const int64_t update = UpdateOf(action);
  found_[update] = PoisonMade(update, what);
}

}  // namespace paci
