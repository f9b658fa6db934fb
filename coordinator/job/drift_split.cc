#include "coordinator/job/drift_split.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/config/micro_batch_split.h"
#include "common/config/schedule_config.h"
#include "common/schedule/accumulation.h"
#include "coordinator/job/recovery.h"

namespace paci {
namespace {

// Twice the lag, and a quarter for what a drift differs by from one checkpoint to the next.
constexpr double kMargin = 2.5;

std::string CountsOf(const v1::JobSpec& spec) {
  const v1::PipelineSpec& pipeline = spec.pipeline();
  return absl::StrCat(pipeline.accumulation(),
                      pipeline.accumulation() == 1 ? " micro-batch of " : " micro-batches of ",
                      pipeline.micro_batch());
}

SplitDecision Decide(const v1::Job& job, uint32_t split, absl::string_view why) {
  const v1::JobSpec now = SplitMicroBatches(job.spec(), SplitOf(job));
  const v1::JobSpec next = SplitMicroBatches(job.spec(), split);
  return {split, absl::StrCat("a drift of ", job.checkpoints().rbegin()->drift(), " ", why,
                              " pipeline.drift_limit ", job.spec().pipeline().drift_limit(),
                              "; from ", PlaceToRestart(job), ", it goes on with ", CountsOf(next),
                              " an update instead of ", now.pipeline().accumulation(), " of ",
                              now.pipeline().micro_batch())};
}

}  // namespace

std::optional<SplitDecision> FirstSplit(const v1::JobSpec& spec) {
  if (spec.pipeline().drift_limit() <= 0) return std::nullopt;
  const int64_t least = LeastAccumulation(ScheduleConfigOf(spec));
  uint32_t split = 1;
  while (int64_t{spec.pipeline().accumulation()} * split < least && CanSplit(spec, 2 * split)) {
    split *= 2;
  }
  if (split == 1) return std::nullopt;
  return SplitDecision{
      split, absl::StrCat("while its drift is not known, in ",
                          CountsOf(SplitMicroBatches(spec, split)), " an update for little lag")};
}

std::optional<SplitDecision> DecideSplit(const v1::Job& job) {
  const double limit = job.spec().pipeline().drift_limit();
  if (limit <= 0 || job.checkpoints().empty() ||
      job.checkpoints().rbegin()->update() >= job.spec().train().updates()) {
    return std::nullopt;
  }
  const double drift = job.checkpoints().rbegin()->drift();
  const uint32_t split = SplitOf(job);
  if (drift > limit && CanSplit(job.spec(), 2 * split)) {
    return Decide(job, 2 * split, "is above");
  }
  if (split > 1 && kMargin * drift < limit) {
    return Decide(job, split / 2, "would with twice the lag still be well below");
  }
  return std::nullopt;
}

}  // namespace paci
