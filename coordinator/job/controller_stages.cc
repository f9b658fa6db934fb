// How many stages a job has: asked for by users, decided at a checkpoint, divided into layers. And,
// decided there, too, in how many micro-batches its batch goes on.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/partition/partition.h"
#include "common/partition/unit_costs.h"
#include "coordinator/job/controller.h"
#include "coordinator/job/drift_split.h"

namespace paci {
namespace {

absl::Status CannotBeRescaled(const v1::Job& job) {
  if (IsEnded(job.state())) {
    return absl::FailedPreconditionError(absl::StrCat(
        "job ", job.id(), " is ", ToString(job.state()), ": what has ended cannot be rescaled"));
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "job ", job.id(), " is ", ToString(job.state()),
      " and has no checkpoints on the way, at which alone its stages can change: that needs a job "
      "file with checkpoint.dir and with checkpoint.every above 0"));
}

// Seconds where workers measured them: one that did not counts as the mean of those that did.
absl::StatusOr<UnitCosts> CostsOf(const v1::JobSpec& spec, const std::vector<StageRecord>& stages) {
  v1::LayerCosts mean;
  double known = 0;
  for (const StageRecord& stage : stages) known += stage.costs.has_value();
  if (known == 0 || !NeedsMeasuring(spec)) return FlopsCosts(spec);
  for (const StageRecord& stage : stages) {
    if (!stage.costs) continue;
    const v1::LayerCosts& costs = *stage.costs;
    mean.set_embedding_seconds(mean.embedding_seconds() + costs.embedding_seconds() / known);
    mean.set_block_seconds(mean.block_seconds() + costs.block_seconds() / known);
    mean.set_head_seconds(mean.head_seconds() + costs.head_seconds() / known);
  }
  std::vector<v1::LayerCosts> measured;
  for (const StageRecord& stage : stages) measured.push_back(stage.costs.value_or(mean));
  return MeasuredCosts(spec, measured);
}

absl::StatusOr<Partition> DivisionOf(const v1::JobSpec& spec,
                                     const std::vector<StageRecord>& stages) {
  const absl::StatusOr<UnitCosts> costs = CostsOf(spec, stages);
  if (!costs.ok()) return costs.status();
  return PartitionOf(spec, costs->unit_costs, costs->stage_speeds);
}

}  // namespace

absl::StatusOr<std::string> Controller::Divide(JobRecord& record) {
  const absl::StatusOr<Partition> partition = DivisionOf(record.SpecOfGeneration(), record.stages);
  if (!partition.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("the layers cannot be divided among ",
                                                   record.stages.size(),
                                                   " stages: ", partition.status().message()));
  }
  for (size_t i = 0; i < record.stages.size(); ++i) {
    *record.stages[i].status.mutable_chunks() =
        ChunksOfStage(*partition, static_cast<int>(i), static_cast<int>(record.stages.size()));
  }
  return partition->reason;
}

WorkerSupply Controller::SupplyOf(const std::string& device) {
  const size_t idle = registry_.Free(device).size();
  size_t kept = 0;
  for (const auto& [id, record] : jobs_) {
    const bool recovers = record.job().state() == v1::JOB_STATE_RECOVERING;
    if (!recovers || record.spec().train().device() != device) continue;
    kept += record.fast ? record.fast->LostStages() : record.EnoughStages();
  }
  kept = std::min(kept, idle);
  return {device, idle - kept, registry_.CountUsable(device), kept};
}

bool Controller::ReshapeIfDue(JobRecord& record, absl::Time now) {
  if (!std::exchange(record.has_new_checkpoint, false)) return false;
  const bool is_whole = std::all_of(record.stages.begin(), record.stages.end(),
                                    [](const StageRecord& s) { return s.is_attached; });
  if (record.job().state() != v1::JOB_STATE_RUNNING || !record.failures.empty() || !is_whole) {
    return false;
  }
  std::vector<LeavingStage> leaving;
  for (const StageRecord& stage : record.stages) {
    const WorkerRecord* worker = registry_.Find(stage.status.worker_id());
    if (worker == nullptr || !worker->is_leaving) continue;
    leaving.push_back({stage.status.index(), worker->name, worker->leaving_reason});
  }
  const size_t free = SupplyOf(record.spec().train().device()).free;
  const std::optional<ReshapeDecision> decision =
      DecideReshape(record.job(), record.StageCount(), leaving, free);
  if (!decision) return SplitIfDue(record, now);
  Change(record, JobTrigger::kRescale, decision->reason, now);
  GoBack(record, decision->reason, decision->stages, now);
  return true;
}

bool Controller::SplitIfDue(JobRecord& record, absl::Time now) {
  const std::optional<SplitDecision> decision = DecideSplit(record.job());
  if (!decision) return false;
  record.job().set_micro_batch_split(decision->split);
  record.job().mutable_checkpoints()->rbegin()->set_micro_batch_split(decision->split);
  Change(record, JobTrigger::kSplit, decision->reason, now);
  GoBack(record, decision->reason, record.StageCount(), now);
  return true;
}

std::string Controller::WhenRescaled(const JobRecord& record) {
  const uint32_t wanted = WantedStages(record.job());
  const v1::JobState state = record.job().state();
  if (state == v1::JOB_STATE_PENDING) return "that is when it is placed";
  if (state == v1::JOB_STATE_RECOVERING) {
    if (wanted <= record.EnoughStages()) return "that is when it goes on, with so many workers";
    return absl::StrCat("that is when it goes on, if so many workers are free then; else ",
                        HasCheckpointsOnTheWay(record.spec())
                            ? "from the next checkpoint on at which they are"
                            : "it is not, there being no checkpoints on the way");
  }
  if (record.StageCount() == wanted) return "it has so many";
  std::string when = "that is from its next checkpoint on";
  if (state == v1::JOB_STATE_PAUSING || state == v1::JOB_STATE_PAUSED) {
    when = "that is from its first checkpoint after the pause on";
  }
  const size_t at_hand = record.stages.size() + SupplyOf(record.spec().train().device()).free;
  if (at_hand >= wanted) return when;
  return absl::StrCat(when, " and as soon as there are workers for it, of which ", wanted - at_hand,
                      wanted - at_hand == 1 ? " is" : " are", " missing now");
}

absl::StatusOr<v1::Job> Controller::Rescale(const std::string& job_id, uint32_t stages,
                                            absl::Time now) {
  const absl::StatusOr<JobRecord*> found = Find(job_id);
  if (!found.ok()) return found.status();
  JobRecord& record = **found;
  v1::Job& job = record.job();
  const bool waits =
      job.state() == v1::JOB_STATE_PENDING || job.state() == v1::JOB_STATE_RECOVERING;
  if (IsEnded(job.state()) || (!waits && !HasCheckpointsOnTheWay(job.spec()))) {
    return CannotBeRescaled(job);
  }
  const uint32_t of_spec = job.spec().pipeline().stages();
  const uint32_t wanted = stages == 0 ? of_spec : stages;
  if (const std::string problem = ProblemOfStages(job.spec(), wanted); !problem.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("job ", job_id, " cannot have ", CountOfStages(wanted), ": ", problem));
  }
  const uint32_t before = WantedStages(job);
  if (wanted == before) return record.ToProto();
  job.set_wanted_stages(wanted == of_spec ? 0 : wanted);
  if (job.state() == v1::JOB_STATE_PENDING) job.set_stage_count(wanted);
  const std::string reason = absl::StrCat("a user asks for ", CountOfStages(wanted), " instead of ",
                                          before, "; ", WhenRescaled(record));
  // Why a job waits is said by what it waits for.
  if (!waits) job.set_reason(reason);
  AddEvent(record, "RescaleAsked", reason, now);
  MarkChanged(record);
  Settle(now);
  return record.ToProto();
}

}  // namespace paci
