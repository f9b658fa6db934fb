#include "coordinator/job/drift_split.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/config/micro_batch_split.h"
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
  const v1::JobSpec now = InItsMicroBatches(job);
  const v1::JobSpec next = SplitMicroBatches(job.spec(), split);
  return {split, absl::StrCat("a drift of ", job.checkpoints().rbegin()->drift(), " ", why,
                              " pipeline.drift_limit ", job.spec().pipeline().drift_limit(),
                              "; from ", PlaceToRestart(job), ", it goes on with ", CountsOf(next),
                              " an update instead of ", now.pipeline().accumulation(), " of ",
                              now.pipeline().micro_batch())};
}

}  // namespace

SplitDecision DecideFirstSplit(const v1::JobSpec& spec, const v1::JobSpec* writer,
                               uint32_t writers_split) {
  const v1::PipelineSpec& pipeline = spec.pipeline();
  if (pipeline.drift_limit() <= 0) return {};
  const uint32_t writers = std::max(writers_split, 1u);
  const bool is_known =
      writer != nullptr && writer->pipeline().accumulation() == pipeline.accumulation() &&
      writer->pipeline().micro_batch() == pipeline.micro_batch() && CanSplit(spec, writers);
  const uint32_t split = is_known ? writers : FirstSplit(spec);
  const std::string counts = CountsOf(SplitMicroBatches(spec, split));
  if (is_known) {
    return {split, absl::StrCat("in ", counts, " an update, as the job before went on from it")};
  }
  if (split == 1) return {};
  return {split,
          absl::StrCat("while its drift is not known, in ", counts, " an update for little lag")};
}

std::optional<SplitDecision> DecideSplit(const v1::Job& job) {
  const double limit = job.spec().pipeline().drift_limit();
  if (limit <= 0 || job.checkpoints().empty() || !job.checkpoints().rbegin()->has_drift() ||
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
