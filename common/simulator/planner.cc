#include "common/simulator/planner.h"

#include <algorithm>
#include <cmath>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/config/job_rules.h"
#include "common/config/model_chunks.h"
#include "common/config/schedule_config.h"
#include "common/partition/partition.h"
#include "common/schedule/presets.h"
#include "common/simulator/recommendation.h"

namespace paci {
namespace {

int64_t UpdatesToSimulate(int64_t stages, int64_t accumulation) {
  return std::max<int64_t>(4, (16 * stages + accumulation - 1) / accumulation);
}

// Whether the job may have some of its updates flushed.
bool MayBeFlushed(const Preset& preset) {
  return preset.boundary == UpdateBoundary::kLocalAccumulation &&
         preset.weights != WeightPolicy::kDoubleBuffer;
}

v1::JobSpec VariantOf(const v1::JobSpec& spec, const PlanKey& key) {
  v1::JobSpec variant = spec;
  v1::PipelineSpec* pipeline = variant.mutable_pipeline();
  pipeline->set_stages(static_cast<uint32_t>(key.stages));
  pipeline->set_schedule(key.schedule);
  pipeline->set_accumulation(static_cast<uint32_t>(key.accumulation));
  const bool is_interleaved = FindPreset(key.schedule)->order == Order::kInterleaved;
  if (!MayBeFlushed(*FindPreset(key.schedule))) {
    pipeline->clear_flush_first();
    pipeline->clear_flush_last();
  }
  pipeline->set_chunks(is_interleaved ? std::max(ModelChunks(spec.pipeline()), 2u) : 1);
  // A partition of the job's own is for its own number of parts.
  if (spec.pipeline().stages() != pipeline->stages() ||
      ModelChunks(spec.pipeline()) != pipeline->chunks()) {
    pipeline->clear_partition();
  }
  return variant;
}

bool IsEmulated(const v1::JobSpec& spec, const PlanRequest& request) {
  return spec.has_emulation() && !request.measured;
}

std::string SourceOfSeconds(const v1::JobSpec& spec, const PlanRequest& request) {
  if (request.measured) return request.measured_source;
  if (spec.has_emulation()) return "the job's emulation";
  return absl::StrCat("arithmetic by unit at ", request.device_flops, " operations a second");
}

std::string SourceOfCosts(const v1::JobSpec& spec, const PlanRequest& request) {
  std::string source = SourceOfSeconds(spec, request);
  if (request.jitter.kind != Jitter::Kind::kNone) {
    absl::StrAppend(&source, ", jitter ", request.jitter.relative_deviation);
  }
  for (const auto& [stage, slowdown] : request.slowdowns) {
    absl::StrAppend(&source, ", stage ", stage, " takes ", slowdown, " times as long");
  }
  return source;
}

// A run of `updates`, without milestones, of which the same share is flushed.
void ShortenTo(int64_t updates, ScheduleConfig& config) {
  const double share =
      static_cast<double>(updates) / static_cast<double>(config.milestones.updates);
  const auto shorten = [&](int64_t& flushed) {
    flushed = std::llround(static_cast<double>(flushed) * share);
  };
  shorten(config.flush_first);
  shorten(config.flush_last);
  config.milestones = {};
  config.milestones.updates = updates;
}

// What one combination is simulated with.
struct Trial {
  v1::JobSpec spec;
  ScheduleConfig config;
  SimulatedCosts costs;
  Partition partition;
};

absl::StatusOr<Trial> MakeTrial(const v1::JobSpec& spec, const PlanRequest& request,
                                const PlanKey& key) {
  Trial trial;
  trial.spec = VariantOf(spec, key);
  const UnitSeconds units =
      request.measured ? *request.measured : SecondsByFlops(trial.spec, request.device_flops);
  const std::vector<double> speeds(key.stages, 1.0);
  absl::StatusOr<Partition> partition = PartitionOf(trial.spec, units.MicroBatchSeconds(), speeds);
  if (!partition.ok()) return partition.status();
  trial.partition = *std::move(partition);
  trial.costs.stages = IsEmulated(spec, request) ? EmulatedParts(spec, trial.partition.stages())
                                                 : StagesOf(units, trial.partition);
  for (const auto& [stage, slowdown] : request.slowdowns) {
    trial.costs.stages[stage].slowdown = slowdown;
  }
  trial.costs.jitter = request.jitter;
  LinkCosts link = request.link;
  link.frame_bytes = ActivationElementBytes(trial.spec) *
                     static_cast<double>(spec.pipeline().micro_batch()) * spec.model().context() *
                     spec.model().hidden();
  trial.costs.links.assign(key.stages - 1, link);
  trial.config = ScheduleConfigOf(trial.spec);
  ShortenTo(UpdatesToSimulate(key.stages, key.accumulation), trial.config);
  return trial;
}

void SetMemory(const Trial& trial, const Simulation& run, PlanChoice& choice) {
  for (int64_t i = 0; i < choice.key.stages; ++i) {
    const SimulatedStage& stage = run.stages[i];
    const StageMemory memory = MemoryOfStage(
        trial.spec,
        ChunksOfStage(trial.partition, static_cast<int>(i), static_cast<int>(choice.key.stages)),
        stage.max_held, stage.max_held_of_chunk, stage.max_weight_versions);
    if (i > 0 && memory.TotalBytes() <= choice.memory.TotalBytes()) continue;
    choice.memory = memory;
    choice.memory_stage = i;
  }
}

PlanChoice ChoiceOf(const PlanKey& key, const Trial& trial, const Simulation& run) {
  PlanChoice choice;
  choice.key = key;
  choice.tokens_per_second = run.micro_batches_per_second * trial.spec.pipeline().micro_batch() *
                             trial.spec.model().context();
  choice.share_of_limit = run.ShareOfLimit();
  double work_seconds = 0;
  for (const StageCosts& stage : trial.costs.stages) {  // of every chunk
    work_seconds += stage.SecondsOfMicroBatch(key.accumulation);
  }
  const auto stages = static_cast<double>(key.stages);
  choice.bubble_share = std::max(0.0, 1 - run.micro_batches_per_second * work_seconds / stages);
  for (const SimulatedStage& stage : run.stages) {
    choice.lag_mean += stage.lag.mean / stages;
    choice.lag_max = std::max(choice.lag_max, stage.lag.max);
  }
  SetMemory(trial, run, choice);
  choice.config = trial.config;
  choice.costs = trial.costs;
  return choice;
}

absl::Status CheckStragglers(const PlanRequest& request) {
  for (const auto& [stage, slowdown] : request.slowdowns) {
    for (const int64_t stages : request.stages) {
      if (stage >= 0 && stage < stages) continue;
      return absl::InvalidArgumentError(absl::StrCat("straggler ", stage,
                                                     ": expected a stage in 0..", stages - 1,
                                                     " of a pipeline of ", stages));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckRequest(const PlanRequest& request) {
  if (request.stages.empty() || request.schedules.empty() || request.accumulations.empty()) {
    return absl::InvalidArgumentError("nothing to plan: no stages, schedules or accumulations");
  }
  for (const std::string& name : request.schedules) {
    const absl::Status known = FindPreset(name).status();
    if (!known.ok()) return absl::InvalidArgumentError(known.message());
  }
  return CheckStragglers(request);
}

absl::Status Try(const v1::JobSpec& spec, const PlanRequest& request, const PlanKey& key,
                 Plan& plan) {
  const absl::Status valid = ValidateSpec(VariantOf(spec, key));
  if (!valid.ok()) {
    plan.skipped.push_back({key, absl::StrReplaceAll(valid.message(), {{"\n", "; "}})});
    return absl::OkStatus();
  }
  const absl::StatusOr<Trial> trial = MakeTrial(spec, request, key);
  if (!trial.ok()) return trial.status();
  const absl::StatusOr<Simulation> run = Simulate(trial->config, trial->costs);
  if (!run.ok()) {
    return absl::Status(run.status().code(),
                        absl::StrCat(ToString(key), ": ", run.status().message()));
  }
  PlanChoice choice = ChoiceOf(key, *trial, *run);
  choice.fits =
      !request.device_memory_bytes || choice.memory.TotalBytes() <= *request.device_memory_bytes;
  plan.choices.push_back(std::move(choice));
  return absl::OkStatus();
}

void SetRecommendation(Plan& plan) {
  if (plan.choices.empty()) {
    plan.reason = "every choice breaks a rule of the job file";
    return;
  }
  std::vector<Candidate> candidates;
  for (const PlanChoice& choice : plan.choices) {
    candidates.push_back({ToString(choice.key), choice.tokens_per_second, choice.lag_mean,
                          choice.memory.TotalBytes(), choice.fits});
  }
  const Recommendation recommendation = Recommend(candidates);
  plan.recommended = recommendation.choice;
  plan.reason = recommendation.reason;
}

}  // namespace

std::string ToString(const PlanKey& key) {
  return absl::StrCat(key.schedule, ", ", key.stages, key.stages == 1 ? " stage" : " stages",
                      ", accumulation ", key.accumulation);
}

absl::StatusOr<Plan> MakePlan(const v1::JobSpec& spec, const PlanRequest& request) {
  const absl::Status valid = CheckRequest(request);
  if (!valid.ok()) return valid;
  Plan plan;
  plan.costs = SourceOfCosts(spec, request);
  for (const int64_t stages : request.stages) {
    for (const int64_t accumulation : request.accumulations) {
      for (const std::string& schedule : request.schedules) {
        const absl::Status tried = Try(spec, request, {schedule, stages, accumulation}, plan);
        if (!tried.ok()) return tried;
      }
    }
  }
  std::stable_sort(plan.choices.begin(), plan.choices.end(),
                   [](const PlanChoice& a, const PlanChoice& b) {
                     return a.tokens_per_second > b.tokens_per_second;
                   });
  SetRecommendation(plan);
  return plan;
}

}  // namespace paci
