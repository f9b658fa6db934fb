#pragma once

#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/schedule/schedule.h"

namespace paci {

// A training system by name: a point on the three axes. Adding one is a row in presets.cc, and an
// order or a weight policy only if it needs a new one.
struct Preset {
  absl::string_view name;
  std::optional<Order> order;  // nullopt: the job chooses between kDrainFirst and kStrict
  UpdateBoundary boundary;
  WeightPolicy weights;
  bool only_without_accumulation;  // a is 1 by definition
  absl::string_view source;
  absl::string_view summary;
};

const std::vector<Preset>& Presets();
// NOT_FOUND names the presets there are.
absl::StatusOr<Preset> FindPreset(absl::string_view name);

// Sets what the preset decides.
void ApplyPreset(const Preset& preset, ScheduleConfig& config);

}  // namespace paci
