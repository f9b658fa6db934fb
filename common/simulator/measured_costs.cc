#include "common/simulator/measured_costs.h"

#include <google/protobuf/util/message_differencer.h>

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/config/micro_batch_split.h"
#include "common/config/schedule_config.h"
#include "common/partition/unit_costs.h"
#include "common/simulator/stage_memory.h"

namespace paci {
namespace {

// Since its loop started, which is when its seconds begin.
uint64_t UpdatesOf(const v1::StageStatus& stage) {
  return stage.updates() - std::min(stage.updates(), stage.first_update());
}

// The parts of the model, in its order: a chunk of every stage, then the next of each.
std::vector<v1::UnitRange> PartsOf(const v1::Job& job) {
  std::vector<v1::UnitRange> parts;
  const int chunks = job.stages().empty() ? 0 : job.stages(0).chunks_size();
  for (int c = 0; c < chunks; ++c) {
    for (const v1::StageStatus& stage : job.stages()) {
      if (c < stage.chunks_size()) parts.push_back(stage.chunks(c));
    }
  }
  return parts;
}

uint64_t FewestUpdates(const v1::Job& job) {
  uint64_t fewest = UINT64_MAX;
  for (const v1::StageStatus& stage : job.stages()) fewest = std::min(fewest, UpdatesOf(stage));
  return job.stages().empty() ? 0 : fewest;
}

absl::Status CheckRunFar(const v1::Job& job) {
  const uint64_t needed = std::min(kUpdatesToMeasure, job.spec().train().updates());
  const uint64_t done = FewestUpdates(job);
  if (!job.stages().empty() && done >= needed) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("job ", job.id(), " has done ", done, " updates, of which ", needed,
                   " are needed before its seconds mean something; ask again when it has"));
}

// Adds `seconds` to the units of `stage` in proportion to `weights`, one a unit of the model.
void Share(double seconds, const v1::StageStatus& stage, const std::vector<double>& weights,
           std::vector<double>& to) {
  double sum = 0;
  for (const v1::UnitRange& chunk : stage.chunks()) {
    for (uint32_t unit = chunk.first_unit(); unit < chunk.end_unit(); ++unit) sum += weights[unit];
  }
  for (const v1::UnitRange& chunk : stage.chunks()) {
    for (uint32_t unit = chunk.first_unit(); unit < chunk.end_unit(); ++unit) {
      to[unit] = seconds * weights[unit] / sum;
    }
  }
}

absl::Status CheckUnits(const v1::Job& job, size_t units) {
  uint32_t next = 0;
  for (const v1::UnitRange& part : PartsOf(job)) {
    if (part.first_unit() != next || part.end_unit() <= next) next = UINT32_MAX;
    if (next != UINT32_MAX) next = part.end_unit();
  }
  if (next == units) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("the stages of job ", job.id(), " do not hold its ", units, " units"));
}

// What a micro-batch of a spec costs depends on these alone.
v1::JobSpec WorkOf(const v1::JobSpec& spec) {
  v1::JobSpec work;
  *work.mutable_model() = spec.model();
  work.mutable_pipeline()->set_micro_batch(spec.pipeline().micro_batch());
  work.mutable_pipeline()->set_recompute(spec.pipeline().recompute());
  work.mutable_train()->set_device(spec.train().device());
  if (spec.has_emulation()) *work.mutable_emulation() = spec.emulation();
  return work;
}

}  // namespace

absl::StatusOr<UnitSeconds> SecondsMeasuredBy(const v1::Job& job) {
  if (absl::Status far = CheckRunFar(job); !far.ok()) return far;
  const std::vector<double> arithmetic = FlopsCosts(job.spec()).unit_costs;
  const size_t units = arithmetic.size();
  if (absl::Status valid = CheckUnits(job, units); !valid.ok()) return valid;
  std::vector<double> parameters;
  for (size_t unit = 0; unit < units; ++unit) {
    parameters.push_back(
        static_cast<double>(UnitParameters(job.spec().model(), static_cast<int>(unit))));
  }
  const std::vector<double> zeros(units, 0);
  UnitSeconds seconds{zeros, zeros, zeros, zeros};
  const ScheduleConfig config = ScheduleConfigOf(SpecAsRun(job));
  const auto chunks = static_cast<double>(config.chunks);
  for (const v1::StageStatus& stage : job.stages()) {
    const v1::ActivitySeconds& spent = stage.activity();
    const uint64_t before = stage.first_update() * config.PassesPerUpdate();
    const double forwards = static_cast<double>(stage.forwards() - before) / chunks;
    const double backwards = static_cast<double>(stage.backwards() - before) / chunks;
    const double backward = (spent.backward() + spent.weights()) / backwards;
    const bool is_split = MakeSchedule(config, stage.index())->SplitsBackward();
    Share(spent.forward() / forwards, stage, arithmetic, seconds.forward_seconds);
    Share(backward, stage, arithmetic, seconds.backward_seconds);
    Share(is_split ? spent.weights() / backwards : backward / 2, stage, arithmetic,
          seconds.weights_seconds);
    Share(spent.update() / static_cast<double>(UpdatesOf(stage)), stage, parameters,
          seconds.update_seconds);
  }
  return seconds;
}

std::string SourceOfSeconds(const v1::Job& job) {
  return absl::StrCat("seconds that the workers of job ", job.id(), " measured over ",
                      FewestUpdates(job), " updates");
}

v1::JobSpec SpecAsRun(const v1::Job& job) {
  v1::JobSpec spec = InItsMicroBatches(job);
  spec.mutable_pipeline()->clear_drift_limit();
  spec.mutable_pipeline()->set_stages(static_cast<uint32_t>(job.stages_size()));
  spec.mutable_pipeline()->clear_partition();
  for (const v1::UnitRange& part : PartsOf(job)) {
    spec.mutable_pipeline()->add_partition(part.end_unit() - part.first_unit());
  }
  return spec;
}

absl::Status CheckSameWork(const v1::Job& job, const v1::JobSpec& planned) {
  google::protobuf::util::MessageDifferencer differencer;
  std::string differences;
  differencer.ReportDifferencesToString(&differences);
  if (differencer.Compare(WorkOf(InItsMicroBatches(job)), WorkOf(planned))) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "what job ", job.id(), " measured says nothing about this one, whose work is another: ",
      absl::StrReplaceAll(absl::StripAsciiWhitespace(differences), {{"\n", "; "}})));
}

}  // namespace paci
