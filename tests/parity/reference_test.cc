// The pipeline against an independent reference: one stage against the plain model, and PACI over
// several stages against a simulation in one process that keeps every version of the weights.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>

#include "absl/strings/match.h"
#include "tests/parity/reference_model.h"
#include "tests/parity/small_job.h"
#include "worker/compute/stage_model.h"

namespace paci {
namespace {

Weights InitialWeights(const v1::JobSpec& spec) {
  Weights weights;
  for (const Parameter& p : StageModel(spec, 0, UnitCount(spec.model())).parameters()) {
    weights[p.name] = p.tensor;
  }
  return weights;
}

// The weights in the end, from the last checkpoint.
Weights FinalWeights(const v1::JobSpec& spec, const std::string& directory) {
  StageModel model(spec, 0, UnitCount(spec.model()));
  EXPECT_TRUE(model.Load(directory).ok());
  Weights weights;
  for (const Parameter& p : model.parameters()) weights[p.name] = p.tensor.detach().clone();
  return weights;
}

void ExpectNear(const RunResult& run, const ReferenceRun& reference, const Weights& weights) {
  ASSERT_EQ(run.losses.size(), reference.losses.size());
  for (size_t i = 0; i < run.losses.size(); ++i) {
    EXPECT_NEAR(run.losses[i], reference.losses[i], 2e-4) << "update " << i;
  }
  ASSERT_EQ(weights.size(), reference.weights.size());
  for (const auto& [name, tensor] : reference.weights) {
    const double difference = (weights.at(name) - tensor).abs().max().item<double>();
    EXPECT_LT(difference, 5e-3) << name;
  }
}

Versions Newest(const v1::JobSpec& spec, const std::string&, int64_t micro_batch) {
  const int64_t update = micro_batch / spec.pipeline().accumulation();
  return {update, update};
}

// Of {2, 1, 1, 1}: the embedding and the first block are stage 0, the head is stage 3.
int64_t StageOf(const std::string& name) {
  if (absl::StrContains(name, ".h.1.") || absl::StrContains(name, ".layers.1.")) return 1;
  if (absl::StrContains(name, ".h.2.") || absl::StrContains(name, ".layers.2.")) return 2;
  const bool is_head = absl::StrContains(name, "ln_f") || absl::StrContains(name, "lm_head") ||
                       name == "model.norm.weight";
  return is_head ? 3 : 0;
}

// In strict order stage i runs the forward of micro-batch m when it has done m - (N-i) + 1
// backwards, so it meets the weights of their updates (PACI, section 3).
Versions OfStrictPaci(const v1::JobSpec& spec, const std::string& name, int64_t micro_batch) {
  const int64_t a = spec.pipeline().accumulation();
  const int64_t cap = 4 - StageOf(name);
  return {std::max<int64_t>(0, micro_batch - cap + 1) / a, micro_batch / a};
}

// The same between updates that are flushed: their micro-batches meet their own update's weights,
// and those after the first flush at least the last flushed update's.
Versions OfStrictHybrid(const v1::JobSpec& spec, const std::string& name, int64_t micro_batch) {
  const Versions asynchronous = OfStrictPaci(spec, name, micro_batch);
  const auto update = asynchronous.backward;
  const auto first = static_cast<int64_t>(spec.pipeline().flush_first());
  const auto last = static_cast<int64_t>(spec.train().updates() - spec.pipeline().flush_last());
  if (update < first || update >= last) return {update, update};
  return {std::max(asynchronous.forward, first - 1), update};
}

TEST(Reference, OneStageIsTheModelAndTheOptimizerOfTheirDefinitions) {
  SmallData data;
  const v1::JobSpec spec = SmallJob(data, "1f1b", 3);
  const RunResult run = Train(spec, {5});
  ExpectNear(run, TrainReference(spec, InitialWeights(spec), Newest),
             FinalWeights(spec, spec.checkpoint().dir() + "/test-1/update-00000024.g1"));
}

TEST(Reference, ALlamaIsItsDefinition) {
  SmallData data;
  v1::JobSpec spec = SmallJob(data, "1f1b", 3);
  MakeLlama(spec);
  const RunResult run = Train(spec, {2, 3});
  ExpectNear(run, TrainReference(spec, InitialWeights(spec), Newest),
             FinalWeights(spec, spec.checkpoint().dir() + "/test-1/update-00000024.g1"));
}

TEST(Reference, ALlamaUnderPaciUsesTheWeightsOfItsDefinition) {
  SmallData data;
  v1::JobSpec spec = SmallJob(data, "paci", 3);
  MakeLlama(spec);
  spec.mutable_train()->set_eval_every(0);
  const RunResult run = Train(spec, {2, 1, 1, 1});
  ExpectNear(run, TrainReference(spec, InitialWeights(spec), OfStrictPaci),
             FinalWeights(spec, spec.checkpoint().dir() + "/test-1/update-00000024.g1"));
}

// PipeDream: the backward meets the weights of its forward again.
Versions OfStrictStash(const v1::JobSpec& spec, const std::string& name, int64_t micro_batch) {
  const int64_t forward = OfStrictPaci(spec, name, micro_batch).forward;
  return {forward, forward};
}

// PipeDream-2BW: W(t+1) = W(t) - lr * grad(W(t-1)), at every stage.
Versions OfDoubleBuffer(const v1::JobSpec& spec, const std::string&, int64_t micro_batch) {
  const int64_t update = micro_batch / spec.pipeline().accumulation();
  return {std::max<int64_t>(0, update - 1), std::max<int64_t>(0, update - 1)};
}

struct System {
  const char* schedule;
  uint32_t accumulation;
  VersionOf versions;
  bool is_hybrid = false;
};
void PrintTo(const System& system, std::ostream* out) {
  *out << system.schedule << " a = " << system.accumulation << (system.is_hybrid ? ", hybrid" : "");
}

class DelayedReference : public testing::TestWithParam<System> {};

TEST_P(DelayedReference, UsesTheWeightsOfItsDefinition) {
  SmallData data;
  v1::JobSpec spec = SmallJob(data, GetParam().schedule, GetParam().accumulation);
  // A validation would drain the pipeline.
  spec.mutable_train()->set_eval_every(0);
  if (GetParam().is_hybrid) {
    spec.mutable_pipeline()->set_flush_first(6);
    spec.mutable_pipeline()->set_flush_last(5);
  }
  const Weights initial = InitialWeights(spec);
  const RunResult run = Train(spec, {2, 1, 1, 1});
  const ReferenceRun reference = TrainReference(spec, initial, GetParam().versions);
  ExpectNear(run, reference,
             FinalWeights(spec, spec.checkpoint().dir() + "/test-1/update-00000024.g1"));
  // The comparison can tell versions apart.
  const ReferenceRun with_others =
      TrainReference(spec, initial, GetParam().is_hybrid ? OfStrictPaci : Newest);
  double largest = 0;
  for (size_t i = 0; i < run.losses.size(); ++i) {
    largest = std::max(largest, std::abs(with_others.losses[i] - reference.losses[i]));
  }
  EXPECT_GT(largest, 1e-2);
}

INSTANTIATE_TEST_SUITE_P(
    Systems, DelayedReference,
    testing::Values(System{"paci", 1, OfStrictPaci}, System{"paci", 2, OfStrictPaci},
                    System{"paci", 3, OfStrictPaci}, System{"paci", 5, OfStrictPaci},
                    System{"paci", 1, OfStrictHybrid, true},
                    System{"paci", 3, OfStrictHybrid, true}, System{"async", 1, OfStrictPaci},
                    System{"pipedream", 1, OfStrictStash}, System{"pipedream", 3, OfStrictStash},
                    System{"pipedream-2bw", 2, OfDoubleBuffer},
                    System{"pipedream-2bw", 5, OfDoubleBuffer}));

// In strict order stage i has, at an update, taken the activation of micro-batch m, which stage j
// sent when it had done m - (N-j) + 1 backwards; and the gradient of the update's last micro-batch,
// which later stages sent before they did the update.
int64_t NormKnown(const v1::JobSpec& spec, int64_t stage, int64_t other, int64_t update) {
  if (other > stage) return update - 1;
  const int64_t a = spec.pipeline().accumulation();
  const int64_t all = a * static_cast<int64_t>(spec.train().updates());
  const int64_t newest = std::min((update + 1) * a - 2 + (4 - stage), all - 1);
  return std::max<int64_t>(0, newest - (4 - other) + 1) / a - 1;
}
// The most that stage `stage` ever sees, of updates at which it knows of all others.
int64_t OldestKnown(const v1::JobSpec& spec, int64_t stage) {
  int64_t most = 0;
  for (int64_t update = 0; update < static_cast<int64_t>(spec.train().updates()); ++update) {
    int64_t oldest = update;
    for (int64_t other = 0; other < 4; ++other) {
      if (other != stage) oldest = std::min(oldest, NormKnown(spec, stage, other, update));
    }
    if (oldest >= 0) most = std::max(most, update - oldest);
  }
  return most;
}
int64_t NoneKnown(const v1::JobSpec&, int64_t, int64_t, int64_t) { return -1; }

class ClippedReference : public testing::TestWithParam<uint32_t> {};

// On text with a stretch that is like nothing before it, on which norms jump.
TEST_P(ClippedReference, UsesTheNormsOfItsDefinition) {
  SmallData data;
  std::ofstream text(data.train(), std::ios::app);
  for (int i = 0; i < 1200; ++i) text << static_cast<char>('!' + (i * i * 31 + i * 7) % 90);
  text.close();
  v1::JobSpec spec = SmallJob(data, "paci", GetParam());
  spec.mutable_train()->set_eval_every(0);
  spec.mutable_optimizer()->set_clip_norm(0.7 + 1.0 / GetParam());
  spec.mutable_optimizer()->set_clip_scope(v1::CLIP_SCOPE_PIPELINE);
  const Weights initial = InitialWeights(spec);
  const RunResult run = Train(spec, {2, 1, 1, 1});
  const ReferenceRun reference =
      TrainReference(spec, initial, OfStrictPaci, {4, StageOf, NormKnown});
  ExpectNear(run, reference,
             FinalWeights(spec, spec.checkpoint().dir() + "/test-1/update-00000024.g1"));
  EXPECT_GT(reference.clipped, 20);
  EXPECT_LT(reference.clipped, 90);
  for (int64_t stage = 0; stage < 4; ++stage) {
    EXPECT_NEAR(run.stages[stage].pipeline_norm(), reference.known_norms[stage],
                1e-3 * reference.known_norms[stage]);
    EXPECT_EQ(run.stages[stage].pipeline_norm_age(), OldestKnown(spec, stage)) << stage;
  }
  // The comparison can tell whose norms they were.
  const ReferenceRun with_own =
      TrainReference(spec, initial, OfStrictPaci, {4, StageOf, NoneKnown});
  double largest = 0;
  for (size_t i = 0; i < run.losses.size(); ++i) {
    largest = std::max(largest, std::abs(with_own.losses[i] - reference.losses[i]));
  }
  EXPECT_GT(largest, 2e-3);
}

INSTANTIATE_TEST_SUITE_P(Accumulations, ClippedReference, testing::Values(1, 2, 3, 5));

}  // namespace
}  // namespace paci
