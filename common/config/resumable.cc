#include "common/config/resumable.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/config/lag.h"
#include "common/schedule/presets.h"

namespace paci {
namespace {

struct Size {
  absl::string_view key;
  uint32_t (v1::ModelSpec::*get)() const;
};

// Beside these a model has its dropout, which is of the training alone.
constexpr Size kSizes[] = {{"model.layers", &v1::ModelSpec::layers},
                           {"model.hidden", &v1::ModelSpec::hidden},
                           {"model.heads", &v1::ModelSpec::heads},
                           {"model.context", &v1::ModelSpec::context},
                           {"model.vocabulary", &v1::ModelSpec::vocabulary}};

absl::string_view StateOf(const std::string& schedule) {
  const absl::StatusOr<Preset> preset = FindPreset(schedule);
  return preset.ok() ? StateOf(preset->weights) : "";
}

// Those that find in the checkpoint what they keep.
std::string SchedulesThatCan(absl::string_view state) {
  std::vector<absl::string_view> names;
  for (const Preset& preset : Presets()) {
    const absl::string_view needed = StateOf(preset.weights);
    if (needed.empty() || needed == state) names.push_back(preset.name);
  }
  return absl::StrJoin(names, ", ");
}

bool HasCorrection(const v1::JobSpec& spec) {
  return LagCorrectionOf(spec) != v1::LAG_CORRECTION_NONE;
}

absl::Status CheckOptimizer(const v1::JobSpec& job, const v1::JobSpec& writer) {
  const std::string& own = job.optimizer().name();
  const std::string& its = writer.optimizer().name();
  if (own != its) {
    return absl::FailedPreconditionError(
        absl::StrCat("its optimizer.name is ", its, "; the job's is ", own));
  }
  if (!HasCorrection(job) || HasCorrection(writer)) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "a correction for lag goes on with the directions of earlier updates, which it does not "
      "keep; "
      "expected optimizer.lag_correction none, or a checkpoint of a job with one");
}

}  // namespace

absl::Status CheckResumableBy(const v1::JobSpec& job, const v1::JobSpec& writer) {
  for (const Size& size : kSizes) {
    const uint32_t its = (writer.model().*size.get)();
    const uint32_t own = (job.model().*size.get)();
    if (its == own) continue;
    return absl::FailedPreconditionError(
        absl::StrCat("its ", size.key, " is ", its, "; the job's is ", own));
  }
  if (absl::Status same = CheckOptimizer(job, writer); !same.ok()) return same;
  const std::string& schedule = job.pipeline().schedule();
  const absl::string_view needed = StateOf(schedule);
  const absl::string_view kept = StateOf(writer.pipeline().schedule());
  if (needed.empty() || needed == kept) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "the schedule ", schedule, " goes on with ", needed, ", which ", writer.pipeline().schedule(),
      ", the schedule of the checkpoint, does not keep; expected pipeline.schedule to "
      "be one of ",
      SchedulesThatCan(kept), ", or a checkpoint of ", schedule));
}

}  // namespace paci
