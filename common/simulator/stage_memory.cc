#include "common/simulator/stage_memory.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "common/config/lag.h"
#include "common/config/model_shape.h"

namespace paci {
namespace {

constexpr int64_t kFloatBytes = 4;
constexpr int64_t kFloatsOfId = 2;  // token ids have 64 bits

bool IsEmbedding(int unit) { return unit == 0; }
bool IsHead(const v1::ModelSpec& model, int unit) {
  return unit == static_cast<int>(model.layers()) + 1;
}

int64_t Tokens(const v1::JobSpec& spec) {
  return int64_t{spec.pipeline().micro_batch()} * spec.model().context();
}

// What a unit's autograd graph saves, in floats a token.
int64_t SavedFloats(const v1::ModelSpec& model, int unit) {
  const int64_t hidden = model.hidden();
  const int64_t heads = model.heads();
  const bool drops = model.dropout() > 0;
  if (IsEmbedding(unit)) return kFloatsOfId + (drops ? hidden : 0);
  // A norm's mean and deviation; of the mean square one number.
  const int64_t of_norm = IsLlama(model) ? 1 : 2;
  // The input and its norm; log-probabilities; targets.
  if (IsHead(model, unit)) return 2 * hidden + of_norm + model.vocabulary() + kFloatsOfId;
  // Inputs and outputs of the norms 4, q and attention 2; k and v; before and after GELU, or
  // SwiGLU's gate before and after, its other factor and the product.
  const int64_t block =
      6 * hidden + 2 * KvHidden(model) + 2 * of_norm + (IsLlama(model) ? 4 : 2) * FfnHidden(model);
  // The attention keeps its normaliser; with dropout its probabilities, mask and product.
  return block + (drops ? 2 * hidden + 3 * heads * model.context() : heads);
}

int64_t InputFloats(const v1::ModelSpec& model, int unit) {
  return IsEmbedding(unit) ? kFloatsOfId : int64_t{model.hidden()};
}

int64_t KeptFloats(const v1::JobSpec& spec, int first_unit, int end_unit) {
  const v1::ModelSpec& model = spec.model();
  if (spec.pipeline().recompute() == v1::RECOMPUTE_FULL) return InputFloats(model, first_unit);
  const bool recomputes = spec.pipeline().recompute() == v1::RECOMPUTE_SELECTIVE;
  int64_t floats = 0;
  for (int unit = first_unit; unit < end_unit; ++unit) {
    floats += recomputes ? InputFloats(model, unit) : SavedFloats(model, unit);
  }
  return floats;
}

}  // namespace

int64_t ActivationElementBytes(const v1::JobSpec& spec) {
  return spec.train().precision() == v1::PRECISION_BF16 ? 2 : kFloatBytes;
}

int64_t UnitParameters(const v1::ModelSpec& model, int unit) {
  const int64_t hidden = model.hidden();
  const int64_t vocabulary = int64_t{model.vocabulary()} * hidden;
  if (IsLlama(model)) {  // no positions, no biases
    if (IsEmbedding(unit)) return vocabulary;
    return IsHead(model, unit) ? vocabulary + hidden : BlockMatrices(model) + 2 * hidden;
  }
  if (IsEmbedding(unit)) return vocabulary + model.context() * hidden;
  if (IsHead(model, unit)) return vocabulary + 2 * hidden;
  // Two norms; biases of q, k, v, of both projections, and of the MLP's inside.
  return BlockMatrices(model) + (4 + 3 + 2) * hidden + FfnHidden(model);
}

int64_t ActivationBytes(const v1::JobSpec& spec, int first_unit, int end_unit) {
  const bool has_head = IsHead(spec.model(), end_unit - 1);
  // The output stays until it is sent, and until the backward starts from it.
  const int64_t output = has_head ? 0 : int64_t{spec.model().hidden()};
  return Tokens(spec) * ActivationElementBytes(spec) *
         (KeptFloats(spec, first_unit, end_unit) + output);
}

int64_t RecomputationBytes(const v1::JobSpec& spec, int first_unit, int end_unit) {
  const v1::Recompute recompute = spec.pipeline().recompute();
  int64_t sum = 0;
  int64_t most = 0;
  for (int unit = first_unit; unit < end_unit; ++unit) {
    const int64_t floats = SavedFloats(spec.model(), unit);
    sum += floats;
    most = std::max(most, floats);
  }
  if (recompute == v1::RECOMPUTE_FULL) return Tokens(spec) * ActivationElementBytes(spec) * sum;
  if (recompute == v1::RECOMPUTE_SELECTIVE)
    return Tokens(spec) * ActivationElementBytes(spec) * most;
  return 0;
}

int64_t WorkingBytes(const v1::JobSpec& spec, int first_unit, int end_unit) {
  const int64_t hidden = spec.model().hidden();
  int64_t temporaries = 0;
  for (int unit = first_unit; unit < end_unit; ++unit) {
    // Of a block's MLP before and after GELU; of the logits and their log-probabilities.
    const int64_t floats = IsEmbedding(unit)            ? hidden
                           : IsHead(spec.model(), unit) ? 2 * int64_t{spec.model().vocabulary()}
                                                        : 2 * FfnHidden(spec.model());
    temporaries = std::max(temporaries, floats);
  }
  // Of a tied head the matrix and a gradient, on their way.
  const bool passes_on = spec.model().tied_head() && spec.pipeline().stages() > 1;
  const int64_t tied = passes_on ? 2 * kFloatBytes * spec.model().vocabulary() * hidden : 0;
  // One activation that arrives meanwhile, two gradients.
  return tied + Tokens(spec) * ActivationElementBytes(spec) * (3 * hidden + temporaries);
}

// Of Soap, beside two numbers a weight: a covariance and a basis for each side of each matrix.
int64_t RotationElements(const v1::JobSpec& spec) {
  const auto side = [&](int64_t size) {
    return size > spec.optimizer().rotation_limit() ? 0 : 2 * size * size;
  };
  const v1::ModelSpec& model = spec.model();
  const int64_t hidden = side(model.hidden());
  const int64_t attention = IsLlama(model) || spec.optimizer().split_qkv()
                                ? 6 * hidden + 2 * side(KvHidden(model))
                                : 3 * hidden + side(3 * int64_t{model.hidden()});
  return attention + (IsLlama(model) ? 3 : 2) * (hidden + side(FfnHidden(model)));
}

// Numbers that the optimizer keeps of a unit.
int64_t OptimizerElements(const v1::JobSpec& spec, int unit) {
  const int64_t parameters = UnitParameters(spec.model(), unit);
  const bool is_block = !IsEmbedding(unit) && !IsHead(spec.model(), unit);
  const v1::LagCorrection correction = LagCorrectionOf(spec);
  int64_t elements = 2 * parameters;
  if (spec.model().tied_head() && IsHead(spec.model(), unit)) {
    elements -= 2 * int64_t{spec.model().vocabulary()} * spec.model().hidden();
  }
  if (is_block && spec.optimizer().name() == "soap") elements += RotationElements(spec);
  if (correction == v1::LAG_CORRECTION_NONE) return elements;
  return elements + (is_block || correction != v1::LAG_CORRECTION_LOOK_AHEAD ? parameters : 0);
}

StageMemory MemoryOfStage(const v1::JobSpec& spec, int first_unit, int end_unit, int64_t held,
                          int64_t weight_versions) {
  int64_t parameters = 0, optimizer = 0;
  for (int unit = first_unit; unit < end_unit; ++unit) {
    parameters += UnitParameters(spec.model(), unit);
    optimizer += OptimizerElements(spec, unit);
  }
  const int64_t masters = parameters * kFloatBytes;
  const int64_t computing = parameters * ActivationElementBytes(spec);
  const int64_t apart = computing == masters ? 0 : computing;  // beside the masters
  return {.weights_bytes = masters + apart,
          .gradients_bytes = masters + apart,
          .optimizer_bytes = optimizer * kFloatBytes,
          .copies_bytes = (weight_versions - 1) * computing,
          .activations_bytes = held * ActivationBytes(spec, first_unit, end_unit) +
                               RecomputationBytes(spec, first_unit, end_unit),
          .working_bytes = WorkingBytes(spec, first_unit, end_unit)};
}

StageMemory MemoryOfStage(const v1::JobSpec& spec,
                          const google::protobuf::RepeatedPtrField<v1::UnitRange>& chunks,
                          int64_t held, absl::Span<const int64_t> held_of_chunk,
                          int64_t weight_versions) {
  StageMemory sum;
  int64_t recomputation = 0;  // one backward runs at a time
  std::vector<std::pair<int64_t, int64_t>> bytes_and_passes;
  for (int c = 0; c < chunks.size(); ++c) {
    const int first_unit = static_cast<int>(chunks[c].first_unit());
    const int end_unit = static_cast<int>(chunks[c].end_unit());
    const StageMemory memory = MemoryOfStage(spec, first_unit, end_unit, 0, weight_versions);
    recomputation = std::max(recomputation, memory.activations_bytes);
    sum.weights_bytes += memory.weights_bytes;
    sum.gradients_bytes += memory.gradients_bytes;
    sum.optimizer_bytes += memory.optimizer_bytes;
    sum.copies_bytes += memory.copies_bytes;
    sum.working_bytes = std::max(sum.working_bytes, memory.working_bytes);
    bytes_and_passes.emplace_back(ActivationBytes(spec, first_unit, end_unit), held_of_chunk[c]);
  }
  // The worst that the two bounds allow.
  std::sort(bytes_and_passes.rbegin(), bytes_and_passes.rend());
  for (const auto& [bytes, passes] : bytes_and_passes) {
    sum.activations_bytes += bytes * std::min(passes, held);
    held -= std::min(passes, held);
  }
  sum.activations_bytes += recomputation;
  return sum;
}

}  // namespace paci
