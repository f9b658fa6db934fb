// By hand: 8 tokens a micro-batch, so 32 bytes for each float a token.
#include "common/simulator/stage_memory.h"

#include <gtest/gtest.h>

namespace paci {
namespace {

v1::JobSpec SmallSpec(v1::Recompute recompute = v1::RECOMPUTE_NONE) {
  v1::JobSpec spec;
  spec.mutable_model()->set_layers(2);
  spec.mutable_model()->set_hidden(8);
  spec.mutable_model()->set_heads(2);
  spec.mutable_model()->set_context(4);
  spec.mutable_model()->set_vocabulary(16);
  spec.mutable_pipeline()->set_micro_batch(2);
  spec.mutable_pipeline()->set_recompute(recompute);
  return spec;
}

TEST(StageMemory, CountsTheParametersOfEachUnit) {
  const v1::ModelSpec model = SmallSpec().model();
  EXPECT_EQ(UnitParameters(model, 0), 16 * 8 + 4 * 8);
  EXPECT_EQ(UnitParameters(model, 1), 768 + 104);  // matrices; biases and norms
  EXPECT_EQ(UnitParameters(model, 3), 16 + 16 * 8);
}

TEST(StageMemory, CountsTheParametersOfALlama) {
  v1::ModelSpec model = SmallSpec().model();
  model.set_family(v1::MODEL_FAMILY_LLAMA);
  model.set_kv_heads(1);
  model.set_ffn_hidden(10);
  EXPECT_EQ(UnitParameters(model, 0), 16 * 8);
  // Query and projection, key and value, gate, up and down; norms.
  EXPECT_EQ(UnitParameters(model, 1), 2 * 8 * 8 + 2 * 4 * 8 + 3 * 8 * 10 + 2 * 8);
  EXPECT_EQ(UnitParameters(model, 3), 8 + 16 * 8);
}

TEST(StageMemory, OfTheEmbeddingAndABlock) {
  const StageMemory memory = MemoryOfStage(SmallSpec(), 0, 2, /*held=*/2, /*weight_versions=*/1);
  EXPECT_EQ(memory.weights_bytes, (160 + 872) * 4);
  EXPECT_EQ(memory.gradients_bytes, memory.weights_bytes);
  EXPECT_EQ(memory.optimizer_bytes, 2 * memory.weights_bytes);
  EXPECT_EQ(memory.copies_bytes, 0);
  // Ids 2, the block 16 x 8 + 4 + 2, the output 8.
  EXPECT_EQ(memory.activations_bytes, 2 * (2 + 134 + 8) * 32);
  // Three frames, a block's MLP before and after GELU.
  EXPECT_EQ(memory.working_bytes, (3 * 8 + 8 * 8) * 32);
  EXPECT_EQ(memory.TotalBytes(), 4 * 4128 + 9216 + 2816);
}

TEST(StageMemory, OfABlockAndTheHead) {
  // The head: its input and norm 16, mean and deviation 2, log-probabilities 16, targets 2.
  EXPECT_EQ(ActivationBytes(SmallSpec(), 2, 4), (134 + 36) * 32);
}

TEST(StageMemory, CopiesAreOfWeightsAlone) {
  const StageMemory memory = MemoryOfStage(SmallSpec(), 1, 2, 1, /*weight_versions=*/3);
  EXPECT_EQ(memory.copies_bytes, 2 * 872 * 4);
}

TEST(StageMemory, SelectiveRecomputationKeepsInputsAndOneUnitAtATime) {
  const v1::JobSpec spec = SmallSpec(v1::RECOMPUTE_SELECTIVE);
  EXPECT_EQ(ActivationBytes(spec, 0, 3), (2 + 8 + 8 + 8) * 32);
  EXPECT_EQ(RecomputationBytes(spec, 0, 3), 134 * 32);
  EXPECT_EQ(MemoryOfStage(spec, 0, 3, 5, 1).activations_bytes, 5 * 26 * 32 + 134 * 32);
}

TEST(StageMemory, FullRecomputationKeepsTheInputAndAllUnitsAtATime) {
  const v1::JobSpec spec = SmallSpec(v1::RECOMPUTE_FULL);
  EXPECT_EQ(ActivationBytes(spec, 0, 3), (2 + 8) * 32);
  EXPECT_EQ(ActivationBytes(spec, 1, 4), 8 * 32);
  EXPECT_EQ(RecomputationBytes(spec, 0, 3), (2 + 134 + 134) * 32);
}

TEST(StageMemory, DropoutKeepsItsMasksAndTheProbabilitiesOfTheAttention) {
  v1::JobSpec spec = SmallSpec();
  spec.mutable_model()->set_dropout(0.1);
  EXPECT_EQ(ActivationBytes(spec, 0, 1), (2 + 8 + 8) * 32);
  EXPECT_EQ(ActivationBytes(spec, 1, 2), (16 * 8 + 4 + 2 * 8 + 3 * 2 * 4 + 8) * 32);
}

}  // namespace
}  // namespace paci
