#include "common/config/resumable.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/config/lag.h"
#include "common/config/model_shape.h"
#include "common/schedule/presets.h"

namespace paci {
namespace {

struct Size {
  absl::string_view key;
  int64_t (*get)(const v1::ModelSpec& model);
};

// Beside these and its family a model has what changes no weight's shape: its dropout, and what a
// user may well change on purpose, rope_theta and norm_epsilon. Rotary positions need no weights.
constexpr Size kSizes[] = {
    {"model.layers", [](const v1::ModelSpec& model) -> int64_t { return model.layers(); }},
    {"model.hidden", [](const v1::ModelSpec& model) -> int64_t { return model.hidden(); }},
    {"model.heads", [](const v1::ModelSpec& model) -> int64_t { return model.heads(); }},
    {"model.context",
     [](const v1::ModelSpec& model) -> int64_t { return IsLlama(model) ? 0 : model.context(); }},
    {"model.vocabulary", [](const v1::ModelSpec& model) -> int64_t { return model.vocabulary(); }},
    {"model.kv_heads", KvHeads},
    {"model.ffn_hidden", FfnHidden}};

absl::string_view FamilyOf(const v1::ModelSpec& model) { return IsLlama(model) ? "llama" : "gpt2"; }

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

enum class Kept { kNothing, kDirections, kMomentum };

Kept KeptFor(v1::LagCorrection correction) {
  if (correction == v1::LAG_CORRECTION_NONE) return Kept::kNothing;
  return correction == v1::LAG_CORRECTION_LOOK_AHEAD ? Kept::kMomentum : Kept::kDirections;
}

bool ClipsByPipeline(const v1::JobSpec& spec) {
  return spec.optimizer().clip_scope() == v1::CLIP_SCOPE_PIPELINE;
}

// What Soap keeps has the shape of the matrices and sides that it turns.
absl::Status CheckSoap(const v1::OptimizerSpec& job, const v1::OptimizerSpec& writer) {
  if (job.name() != "soap") return absl::OkStatus();
  if (job.rotation_limit() != writer.rotation_limit()) {
    return absl::FailedPreconditionError(absl::StrCat("its optimizer.rotation_limit is ",
                                                      writer.rotation_limit(), "; the job's is ",
                                                      job.rotation_limit()));
  }
  if (job.split_qkv() == writer.split_qkv()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("its optimizer.split_qkv is ", writer.split_qkv() ? "true" : "false",
                   "; the job's is not, and with soap it must be"));
}

absl::Status CheckOptimizer(const v1::JobSpec& job, const v1::JobSpec& writer) {
  const std::string& own = job.optimizer().name();
  const std::string& its = writer.optimizer().name();
  if (own != its) {
    return absl::FailedPreconditionError(
        absl::StrCat("its optimizer.name is ", its, "; the job's is ", own));
  }
  if (ClipsByPipeline(job) && !ClipsByPipeline(writer)) {
    return absl::FailedPreconditionError(
        "a stage that clips by the norm of the pipeline goes on with what it knew of the others' "
        "norms, which it does not keep; expected optimizer.clip_scope stage, or a checkpoint of a "
        "job with optimizer.clip_scope pipeline");
  }
  if (absl::Status same = CheckSoap(job.optimizer(), writer.optimizer()); !same.ok()) return same;
  const Kept needed = KeptFor(LagCorrectionOf(job));
  if (needed == Kept::kNothing || needed == KeptFor(LagCorrectionOf(writer))) {
    return absl::OkStatus();
  }
  const bool looks_ahead = needed == Kept::kMomentum;
  return absl::FailedPreconditionError(absl::StrCat(
      "a correction for lag goes on with the ", looks_ahead ? "momentum" : "directions",
      " of earlier updates, which it does not keep; expected optimizer.lag_correction none, or a "
      "checkpoint of a job with ",
      looks_ahead ? "look_ahead" : "extrapolate or error_feedback"));
}

}  // namespace

absl::Status CheckSameModel(const v1::JobSpec& job, const v1::JobSpec& writer) {
  if (IsLlama(job.model()) != IsLlama(writer.model())) {
    return absl::FailedPreconditionError(absl::StrCat("its model.family is ",
                                                      FamilyOf(writer.model()), "; the job's is ",
                                                      FamilyOf(job.model())));
  }
  if (job.model().tied_head() && !writer.model().tied_head()) {
    return absl::FailedPreconditionError(
        "its head has weights of its own; the job's model.tied_head is true");
  }
  for (const Size& size : kSizes) {
    const int64_t its = size.get(writer.model());
    const int64_t own = size.get(job.model());
    if (its == own) continue;
    return absl::FailedPreconditionError(
        absl::StrCat("its ", size.key, " is ", its, "; the job's is ", own));
  }
  return absl::OkStatus();
}

absl::Status CheckResumableBy(const v1::JobSpec& job, const v1::JobSpec& writer) {
  if (absl::Status same = CheckSameModel(job, writer); !same.ok()) return same;
  if (writer.model().tied_head() && !job.model().tied_head()) {
    return absl::FailedPreconditionError(
        "its head is tied and has no weights of its own; expected model.tied_head true");
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
