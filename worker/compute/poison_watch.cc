#include "worker/compute/poison_watch.h"

#include <cstring>
#include <utility>

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

void PoisonWatch::Look(Action action, std::function<void()> look) {
  const int64_t update = UpdateOf(action);
  if (asks_later_) {
    looks_[update].push_back(std::move(look));
  } else if (!IsFound(update)) {
    look();
  }
}

void PoisonWatch::AfterForward(Action action, const Finite& result, const Finite& input) {
  Look(action, [=, this] {
    if (result()) return;
    const int64_t stages = schedule_.config().stages;
    if (input && !input()) {
      return Received(action, "activation", (schedule_.stage() + stages - 1) % stages);
    }
    if (!schedule_.MakesFrame(action)) {
      return Made(action, absl::StrCat("the loss of micro-batch ", action.index, " is not finite"));
    }
    Made(action, absl::StrCat("the output of the forward of micro-batch ", action.index,
                              " is not finite, its input was"));
  });
}

void PoisonWatch::BeforeBackward(Action action, const Finite& gradient) {
  Look(action, [=, this] {
    if (gradient()) return;
    Received(action, "gradient", (schedule_.stage() + 1) % schedule_.config().stages);
  });
}

void PoisonWatch::AfterBackward(Action action, const Finite& gradient) {
  Look(action, [=, this] {
    if (gradient()) return;
    Made(action,
         absl::StrCat("the gradient became so in the backward of micro-batch ", action.index));
  });
}

std::string PoisonWatch::Take(int64_t update, bool is_skipped) {
  const auto looks = looks_.find(update);
  if (looks != looks_.end() && is_skipped) {
    for (const auto& look : looks->second) {
      if (!IsFound(update)) look();
    }
  }
  looks_.erase(looks_.begin(), looks_.upper_bound(update));
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
