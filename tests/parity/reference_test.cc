// The pipeline against an independent reference: one stage against the plain model, and PACI over
// several stages against a simulation in one process that keeps every version of the weights.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

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

}  // namespace
}  // namespace paci
