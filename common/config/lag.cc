#include "common/config/lag.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "common/config/job_key.h"
#include "common/config/key_value.h"
#include "common/schedule/presets.h"

namespace paci {
namespace {

// Predicts or corrects by itself.
bool CaresForLag(const Preset& preset) {
  switch (preset.weights) {
    case WeightPolicy::kPredict:
    case WeightPolicy::kPredictBoth:
    case WeightPolicy::kCorrect:
      return true;
    default:
      return false;
  }
}

bool Corrects(v1::LagCorrection correction) {
  return correction == v1::LAG_CORRECTION_EXTRAPOLATE ||
         correction == v1::LAG_CORRECTION_ERROR_FEEDBACK ||
         correction == v1::LAG_CORRECTION_LOOK_AHEAD;
}

std::string FlushedUpdatesAreOfAScheduleThatDoesNot(const v1::JobSpec& spec) {
  const v1::PipelineSpec& pipeline = spec.pipeline();
  const absl::StatusOr<Preset> preset = FindPreset(pipeline.schedule());
  if (!preset.ok() || pipeline.flush_first() + pipeline.flush_last() == 0) return "";
  if (preset->boundary == UpdateBoundary::kFlush) {
    return absl::StrCat("schedule ", preset->name,
                        " flushes before every update; expected 0, or with it the schedule paci");
  }
  if (preset->weights == WeightPolicy::kDoubleBuffer) {
    return absl::StrCat("schedule ", preset->name,
                        " takes the weights of one update back even then; expected 0");
  }
  return "";
}

std::string FlushedUpdatesAreOfTheRun(const v1::JobSpec& spec) {
  const uint64_t flushed = spec.pipeline().flush_first() + spec.pipeline().flush_last();
  if (flushed <= spec.train().updates()) return "";
  return absl::StrCat(spec.pipeline().flush_first(), " first and ", spec.pipeline().flush_last(),
                      " last updates are more than train.updates ", spec.train().updates(),
                      "; expected at most that together");
}

std::string DriftIsOfASchedulesMicroBatches(const v1::JobSpec& spec) {
  if (spec.pipeline().drift_limit() <= 0) return "";
  const absl::StatusOr<Preset> preset = FindPreset(spec.pipeline().schedule());
  if (!preset.ok()) return "";
  if (preset->boundary == UpdateBoundary::kFlush) {
    return absl::StrCat("with schedule ", preset->name,
                        " weights do not drift; expected 0, or with it the schedule paci");
  }
  if (preset->only_without_accumulation || preset->weights == WeightPolicy::kDoubleBuffer) {
    return absl::StrCat("the lag of schedule ", preset->name,
                        " is not of its micro-batches' number; expected 0, or with it the schedule "
                        "paci");
  }
  return "";
}

std::string DriftIsActedOnAtCheckpoints(const v1::JobSpec& spec) {
  if (spec.pipeline().drift_limit() <= 0) return "";
  if (spec.has_emulation()) return "emulated stages have no weights that drift; expected 0";
  if (!spec.checkpoint().dir().empty() && spec.checkpoint().every() > 0) return "";
  return "there are no checkpoints on the way, at which alone micro-batches can change; expected "
         "0, or a checkpoint.dir and a checkpoint.every above 0";
}

std::string MicroBatchesCanBeHalved(const v1::JobSpec& spec) {
  const uint32_t sequences = spec.pipeline().micro_batch();
  if (spec.pipeline().drift_limit() <= 0 || sequences % 2 == 0) return "";
  return absl::StrCat(sequences, sequences == 1 ? " sequence" : " sequences",
                      " cannot be halved; expected an even number with a drift_limit");
}

// Of a key that counts micro-batches.
std::string CanBeDoubled(const v1::JobSpec& spec, absl::string_view key, uint32_t value) {
  const double most = std::floor(FindJobKey(key)->range.max / 2);
  if (spec.pipeline().drift_limit() <= 0 || value <= most) return "";
  return absl::StrCat(value, " cannot be doubled; expected at most ", most, " with a drift_limit");
}

std::string AccumulationCanBeDoubled(const v1::JobSpec& spec) {
  return CanBeDoubled(spec, "pipeline.accumulation", spec.pipeline().accumulation());
}

std::string EvalBatchesCanBeDoubled(const v1::JobSpec& spec) {
  return CanBeDoubled(spec, "train.eval_batches", spec.train().eval_batches());
}

std::string NesterovHasItsOptimizer(const v1::JobSpec& spec) {
  if (spec.pipeline().schedule() != "nesterov" || spec.optimizer().name() == "adamw") return "";
  return absl::StrCat(spec.optimizer().name(),
                      " is not what schedule nesterov steps with; expected adamw, of which it "
                      "makes NAdam");
}

// Empty unless the schedule does what is asked of the optimizer.
std::string SecondCorrection(const v1::JobSpec& spec, absl::string_view what) {
  const absl::StatusOr<Preset> preset = FindPreset(spec.pipeline().schedule());
  if (!preset.ok() || !CaresForLag(*preset)) return "";
  return absl::StrCat(what, " makes up for lag, and so does schedule ", preset->name,
                      "; expected one of the two, so ");
}

std::string DirectionsAreCorrectedOnce(const v1::JobSpec& spec) {
  if (!Corrects(spec.optimizer().lag_correction())) return "";
  const std::string problem = SecondCorrection(spec, "a correction");
  return problem.empty() ? "" : problem + "none or auto here";
}

std::string LookingAheadNeedsMuon(const v1::JobSpec& spec) {
  const v1::OptimizerSpec& optimizer = spec.optimizer();
  if (optimizer.lag_correction() != v1::LAG_CORRECTION_LOOK_AHEAD || optimizer.name() == "muon") {
    return "";
  }
  return absl::StrCat(
      "look_ahead is of the momentum that muon orthogonalises, and the optimizer is ",
      optimizer.name(), "; expected extrapolate here");
}

std::string LearningRatesAreCorrectedOnce(const v1::JobSpec& spec) {
  if (spec.optimizer().lag_lr() <= 0) return "";
  const std::string problem = SecondCorrection(
      spec, absl::StrCat("an exponent of ", PrintNumber(spec.optimizer().lag_lr())));
  return problem.empty() ? "" : problem + "0 here";
}

}  // namespace

v1::LagCorrection LagCorrectionOf(const v1::JobSpec& spec) {
  const v1::LagCorrection asked = spec.optimizer().lag_correction();
  if (Corrects(asked)) return asked;
  const absl::StatusOr<Preset> preset = FindPreset(spec.pipeline().schedule());
  const bool lags = preset.ok() && preset->boundary == UpdateBoundary::kLocalAccumulation;
  if (asked == v1::LAG_CORRECTION_AUTO && lags && !CaresForLag(*preset)) {
    return spec.optimizer().name() == "muon" ? v1::LAG_CORRECTION_LOOK_AHEAD
                                             : v1::LAG_CORRECTION_EXTRAPOLATE;
  }
  return v1::LAG_CORRECTION_NONE;
}

std::vector<JobRule> LagRules() {
  return {
      {{"pipeline.flush_first", "pipeline.flush_last", "pipeline.schedule"},
       "`flush_first` and `flush_last` are 0 with a schedule that flushes by itself, and with "
       "`pipedream-2bw`.",
       FlushedUpdatesAreOfAScheduleThatDoesNot},
      {{"pipeline.flush_first", "pipeline.flush_last", "train.updates"},
       "`flush_first` + `flush_last` is at most `train.updates`.",
       FlushedUpdatesAreOfTheRun},
      {{"pipeline.drift_limit", "pipeline.schedule"},
       "`drift_limit` is 0 with a schedule that flushes, with `async` and with `pipedream-2bw`.",
       DriftIsOfASchedulesMicroBatches},
      {{"pipeline.drift_limit", "checkpoint.dir", "checkpoint.every"},
       "`drift_limit` above 0 needs `checkpoint.dir` and a `checkpoint.every` above 0, and no "
       "`emulation`.",
       DriftIsActedOnAtCheckpoints},
      {{"pipeline.micro_batch", "pipeline.drift_limit"},
       "With a `drift_limit` above 0 `micro_batch` is even.",
       MicroBatchesCanBeHalved},
      {{"pipeline.accumulation", "pipeline.drift_limit"},
       "With a `drift_limit` above 0 twice `accumulation` is in range.",
       AccumulationCanBeDoubled},
      {{"train.eval_batches", "pipeline.drift_limit"},
       "With a `drift_limit` above 0 twice `train.eval_batches` is in range.",
       EvalBatchesCanBeDoubled},
      {{"optimizer.name", "pipeline.schedule"},
       "With `schedule: nesterov`, `optimizer.name` is `adamw`.",
       NesterovHasItsOptimizer},
      {{"optimizer.lag_correction", "pipeline.schedule"},
       "With `schedule: pipemare`, `pipeoptim` and `spectrain`, which make up for lag by "
       "themselves, `lag_correction` is `none` or `auto`.",
       DirectionsAreCorrectedOnce},
      {{"optimizer.lag_correction", "optimizer.name"},
       "`lag_correction: look_ahead` needs `name: muon`.",
       LookingAheadNeedsMuon},
      {{"optimizer.lag_lr", "pipeline.schedule"},
       "With the same three, `lag_lr` is 0.",
       LearningRatesAreCorrectedOnce},
  };
}

}  // namespace paci
