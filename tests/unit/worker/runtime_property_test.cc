// What the running stages promise, on random pipelines with random delays: the rules that
// tests/unit/schedule checks on the pure schedule against its definitions, here on real threads and
// transports against the schedule.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

#include "common/config/schedule_config.h"
#include "common/schedule/presets.h"
#include "tests/support/simulated_pipeline.h"
#include "tests/unit/worker/runtime_pipeline.h"

namespace paci {
namespace {

RuntimeShape RandomShape() {
  RuntimeShape shape;
  shape.stages = *rc::gen::inRange(1, 13);
  const Preset preset = *rc::gen::elementOf(Presets());
  shape.schedule = std::string(preset.name);
  shape.accumulation = preset.only_without_accumulation ? 1 : *rc::gen::inRange(1, 17);
  shape.updates = *rc::gen::inRange(1, 5);
  shape.extra_in_flight = *rc::gen::inRange(0, 3);
  shape.order = *rc::gen::element(v1::ORDER_DRAIN_FIRST, v1::ORDER_STRICT);
  shape.hidden = *rc::gen::element(1, 100, 40'000);
  shape.eval_every = *rc::gen::inRange(0, 4);
  shape.eval_batches = *rc::gen::inRange(1, 6);
  shape.checkpoint_every = *rc::gen::inRange(-1, 3);
  if (preset.boundary == UpdateBoundary::kLocalAccumulation &&
      preset.weights != WeightPolicy::kDoubleBuffer) {
    shape.flush_first = *rc::gen::inRange(0, shape.updates + 1);
    shape.flush_last = *rc::gen::inRange(0, shape.updates + 1 - shape.flush_first);
  }
  if (preset.order == Order::kInterleaved) {
    shape.chunks = *rc::gen::inRange(2, 4);
    shape.stages = std::max(shape.stages, 2);
    shape.accumulation = shape.stages * *rc::gen::inRange(1, 3);
  }
  return shape;
}

// Measured from what a stage did, not from what it says of itself.
struct Measured {
  int64_t max_in_flight = 0;
  int64_t max_held = 0;               // between forward and weight half, where there is one
  std::vector<uint64_t> lags;         // lags[k]: backwards with lag k
  std::vector<int64_t> evaluated_at;  // of each validation micro-batch: updates done
};

Measured Measure(const ScheduleConfig& config, const std::vector<Action>& trace) {
  Measured measured;
  int64_t updates = 0;
  std::vector<int64_t> forward_versions;
  int64_t backwards = 0;
  int64_t weight_halves = 0;
  for (const Action& action : trace) {
    if (action.kind == ActionKind::kForward) {
      forward_versions.push_back(
          ForwardVersion(config.weights, config.accumulation, action.index, updates));
    }
    if (action.kind == ActionKind::kWeights) ++weight_halves;
    if (action.kind == ActionKind::kStep) ++updates;
    if (action.kind == ActionKind::kEvaluate && action.chunk == 0) {
      measured.evaluated_at.push_back(updates);
    }
    if (action.kind == ActionKind::kBackward) {
      const size_t lag = updates - forward_versions[backwards++];
      if (measured.lags.size() <= lag) measured.lags.resize(lag + 1);
      ++measured.lags[lag];
    }
    const auto forwards = static_cast<int64_t>(forward_versions.size());
    measured.max_in_flight = std::max(measured.max_in_flight, forwards - backwards);
    measured.max_held = std::max(measured.max_held, forwards - weight_halves);
  }
  return measured;
}

void CheckStage(const RuntimeShape& shape, int i, const std::vector<Action>& trace,
                const v1::StageReport& report) {
  const v1::StageStatus& status = report.status();
  RC_ASSERT(status.error() == "");
  RC_ASSERT(status.state() == v1::STAGE_STATE_FINISHED);
  const ScheduleConfig config = ScheduleConfigOf(SpecOf(shape));
  const auto schedule = MakeSchedule(config, i);
  const int64_t micro_batches = config.MicroBatches();
  const Milestones milestones = config.milestones;
  for (const ActionKind kind : {ActionKind::kForward, ActionKind::kBackward}) {
    RC_ASSERT(ActionsOfKind(trace, kind) ==
              ExpectedPasses(config, kind, micro_batches, config.accumulation));
  }
  RC_ASSERT(IndicesOf(trace, ActionKind::kWeights) ==
            CountTo(schedule->SplitsBackward() ? micro_batches : 0));
  RC_ASSERT(IndicesOf(trace, ActionKind::kStep) == CountTo(shape.updates));
  RC_ASSERT(ActionsOfKind(trace, ActionKind::kEvaluate) ==
            ExpectedPasses(config, ActionKind::kEvaluate, milestones.EvaluationsDue(shape.updates),
                           milestones.eval_batches));
  RC_ASSERT(IndicesOf(trace, ActionKind::kCheckpoint) ==
            CountTo(milestones.CheckpointsDue(shape.updates)));

  const Measured measured = Measure(config, trace);
  RC_ASSERT(measured.max_in_flight <= schedule->InFlightCap());
  if (schedule->SplitsBackward()) RC_ASSERT(measured.max_held <= schedule->ActivationCap());
  RC_ASSERT(static_cast<int64_t>(measured.lags.size()) <= schedule->LagBound() + 1);
  for (size_t k = 0; k < measured.evaluated_at.size(); ++k) {
    RC_ASSERT(measured.evaluated_at[k] == milestones.UpdateOfEvaluation(k));
  }

  // And it says so.
  RC_ASSERT(std::vector<uint64_t>(status.lag().counts().begin(), status.lag().counts().end()) ==
            measured.lags);
  RC_ASSERT(status.lag().bound() == static_cast<uint64_t>(schedule->LagBound()));
  RC_ASSERT(status.in_flight_cap() == schedule->InFlightCap());
  RC_ASSERT(status.forwards() == static_cast<uint64_t>(config.Passes()));
  RC_ASSERT(status.backwards() == static_cast<uint64_t>(config.Passes()));
  RC_ASSERT(status.updates() == static_cast<uint64_t>(shape.updates));
  RC_ASSERT(status.in_flight() == 0u);
  RC_ASSERT(report.checkpoints_size() == milestones.CheckpointsDue(shape.updates));
}

void CheckRun(Wire wire) {
  const RuntimeShape shape = RandomShape();
  const auto max_delay = absl::Microseconds(*rc::gen::element(0, 20, 200));
  RuntimePipeline pipeline(shape, wire, *rc::gen::arbitrary<uint64_t>(), max_delay);
  const std::vector<v1::StageReport> reports = pipeline.Run();
  for (int i = 0; i < shape.stages; ++i) CheckStage(shape, i, pipeline.Trace(i), reports[i]);
  // A point an update and a point a validation, all by the last stage.
  const Milestones milestones = ScheduleConfigOf(SpecOf(shape)).milestones;
  const int64_t validations = milestones.EvaluationsDue(shape.updates) / shape.eval_batches;
  RC_ASSERT(reports.back().points_size() == shape.updates + validations);
}

RC_GTEST_PROP(Runtime, KeepsItsRulesWithinOneProcess, ()) { CheckRun(Wire::kInproc); }
RC_GTEST_PROP(Runtime, KeepsItsRulesOverTcp, ()) { CheckRun(Wire::kTcp); }

RC_GTEST_PROP(Runtime, InStrictOrderDoesWhatTheScheduleSaysWhateverTheTiming, (uint64_t seed)) {
  RuntimeShape shape = RandomShape();
  shape.order = v1::ORDER_STRICT;
  RC_PRE(!MakeSchedule(ScheduleConfigOf(SpecOf(shape)), 0)->SplitsBackward());
  const Simulation expected = SimulateOrFail(ScheduleConfigOf(SpecOf(shape)),
                                             RandomCosts(ScheduleConfigOf(SpecOf(shape)), seed));
  RuntimePipeline pipeline(shape, Wire::kTcp, seed, absl::Microseconds(100));
  pipeline.Run();
  for (int i = 0; i < shape.stages; ++i) {
    RC_ASSERT(ToString(pipeline.Trace(i)) == ToString(ActionsOf(expected.stages[i])));
  }
}

}  // namespace
}  // namespace paci
