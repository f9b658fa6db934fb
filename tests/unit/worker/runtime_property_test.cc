// What the running stages promise, on random pipelines with random delays: the rules that
// tests/unit/schedule checks on the pure schedule, here on real threads and transports.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

#include "common/config/schedule_config.h"
#include "tests/support/simulated_pipeline.h"
#include "tests/unit/worker/runtime_pipeline.h"

namespace paci {
namespace {

RuntimeShape RandomShape() {
  RuntimeShape shape;
  shape.stages = *rc::gen::inRange(1, 13);
  shape.accumulation = *rc::gen::inRange(1, 17);
  shape.updates = *rc::gen::inRange(1, 5);
  shape.schedule = *rc::gen::element<std::string>("paci", "1f1b");
  shape.order = *rc::gen::element(v1::ORDER_DRAIN_FIRST, v1::ORDER_STRICT);
  shape.hidden = *rc::gen::element(1, 100, 40'000);
  shape.eval_every = *rc::gen::inRange(0, 4);
  shape.eval_batches = *rc::gen::inRange(1, 6);
  shape.checkpoint_every = *rc::gen::inRange(-1, 3);
  return shape;
}

// Measured from what a stage did, not from what it says of itself.
struct Measured {
  int64_t max_in_flight = 0;
  std::vector<uint64_t> lags;         // lags[k]: backwards with lag k
  std::vector<int64_t> evaluated_at;  // of each validation micro-batch: updates done
};

Measured Measure(const std::vector<Action>& trace) {
  Measured measured;
  int64_t updates = 0;
  std::vector<int64_t> forward_updates;
  int64_t backwards = 0;
  for (const Action& action : trace) {
    if (action.kind == ActionKind::kForward) forward_updates.push_back(updates);
    if (action.kind == ActionKind::kStep) ++updates;
    if (action.kind == ActionKind::kEvaluate) measured.evaluated_at.push_back(updates);
    if (action.kind == ActionKind::kBackward) {
      const size_t lag = updates - forward_updates[backwards++];
      if (measured.lags.size() <= lag) measured.lags.resize(lag + 1);
      ++measured.lags[lag];
    }
    const int64_t in_flight = static_cast<int64_t>(forward_updates.size()) - backwards;
    measured.max_in_flight = std::max(measured.max_in_flight, in_flight);
  }
  return measured;
}

void CheckStage(const RuntimeShape& shape, int i, const std::vector<Action>& trace,
                const v1::StageReport& report) {
  const v1::StageStatus& status = report.status();
  RC_ASSERT(status.error() == "");
  RC_ASSERT(status.state() == v1::STAGE_STATE_FINISHED);
  const int64_t n = shape.stages, a = shape.accumulation, micro_batches = a * shape.updates;
  const Milestones milestones = ScheduleConfigOf(SpecOf(shape)).milestones;
  RC_ASSERT(IndicesOf(trace, ActionKind::kForward) == CountTo(micro_batches));
  RC_ASSERT(IndicesOf(trace, ActionKind::kBackward) == CountTo(micro_batches));
  RC_ASSERT(IndicesOf(trace, ActionKind::kStep) == CountTo(shape.updates));
  RC_ASSERT(IndicesOf(trace, ActionKind::kEvaluate) ==
            CountTo(milestones.EvaluationsDue(shape.updates)));
  RC_ASSERT(IndicesOf(trace, ActionKind::kCheckpoint) ==
            CountTo(milestones.CheckpointsDue(shape.updates)));

  const Measured measured = Measure(trace);
  const int64_t lag_bound = shape.schedule == "1f1b" ? 0 : (n - 1 - i + a - 1) / a;
  RC_ASSERT(measured.max_in_flight <= n - i);
  RC_ASSERT(static_cast<int64_t>(measured.lags.size()) <= lag_bound + 1);
  for (size_t k = 0; k < measured.evaluated_at.size(); ++k) {
    RC_ASSERT(measured.evaluated_at[k] == milestones.UpdateOfEvaluation(k));
  }

  // And it says so.
  RC_ASSERT(std::vector<uint64_t>(status.lag().counts().begin(), status.lag().counts().end()) ==
            measured.lags);
  RC_ASSERT(status.lag().bound() == static_cast<uint64_t>(lag_bound));
  RC_ASSERT(status.in_flight_cap() == n - i);
  RC_ASSERT(status.forwards() == static_cast<uint64_t>(micro_batches));
  RC_ASSERT(status.backwards() == static_cast<uint64_t>(micro_batches));
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
  const Simulation expected =
      SimulateOrFail(ScheduleConfigOf(SpecOf(shape)), RandomCosts(shape.stages, seed));
  RuntimePipeline pipeline(shape, Wire::kTcp, seed, absl::Microseconds(100));
  pipeline.Run();
  for (int i = 0; i < shape.stages; ++i) {
    RC_ASSERT(ToString(pipeline.Trace(i)) == ToString(ActionsOf(expected.stages[i])));
  }
}

}  // namespace
}  // namespace paci
