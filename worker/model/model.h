#pragma once

// The model: a decoder-only transformer of the family of GPT-2 (gpt2.h) or Llama (llama.h), with a
// head that has weights of its own or is tied to the embedding, as a row of units, 0: embedding,
// 1..layers: blocks, layers+1: head, so that a stage is any contiguous range of them. A unit's
// weights depend on the job's seed and its number only, and its arithmetic on its input only: where
// the row is cut changes no bit.
//
// LibTorch tensors, made as float32 on the CPU. worker/compute and worker/engine may depend on this
// room.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "paci/v1/job.pb.h"
#include "worker/model/deferred_gradients.h"

namespace paci {

struct Parameter {
  Parameter(std::string name, const at::Tensor& tensor, bool decays)
      : name(std::move(name)), tensor(tensor), decays(decays), master(tensor.variable_data()) {}

  // Of GPT-2 as nanoGPT's state dict has it, "transformer.h.0.attn.c_attn.weight"; of Llama as its
  // own, "model.layers.0.self_attn.q_proj.weight".
  std::string name;
  at::Tensor tensor;  // a leaf that requires a gradient
  bool decays;        // weight decay applies: matrices and embeddings, not biases and norms
  at::Tensor master;  // float32, what optimizers step; `tensor`'s own storage if that is float32
  // float32: where gradients of several backwards are summed; undefined: in `tensor` itself.
  at::Tensor sum;

  void MoveTo(at::Device device, at::ScalarType type);
  // Of an update.
  const at::Tensor& gradient() const { return sum.defined() ? sum : tensor.grad(); }
};

// How a forward is to be done.
struct ForwardOptions {
  std::optional<uint64_t> dropout_seed;   // what the dropped elements depend on; nullopt: none are
  DeferredGradients* deferred = nullptr;  // where its backward leaves the weights' gradients
};

// Single-threaded. Throws what LibTorch throws.
class ModelUnit {
 public:
  virtual ~ModelUnit() = default;

  // Embedding: token ids [micro_batch, context] -> [micro_batch, context, hidden].
  // Block: [micro_batch, context, hidden] -> the same shape.
  // Head: [micro_batch, context, hidden] -> logits [micro_batch, context, vocabulary].
  // Shorter sequences are allowed.
  virtual at::Tensor Forward(const at::Tensor& input, const ForwardOptions& options) = 0;

  const std::vector<Parameter>& parameters() const { return parameters_; }
  // With a tied head, the matrix that embedding and head share: the embedding's parameter, and a
  // copy that the head does not count among its parameters; elsewhere nullptr.
  virtual Parameter* shared() { return nullptr; }
  // Moves the parameters, and makes them of `type`, float32 or BFloat16. Before the first forward.
  virtual void MoveTo(at::Device device, at::ScalarType type);

 protected:
  std::vector<Parameter> parameters_;
};

uint32_t UnitCount(const v1::ModelSpec& model);

// Initialised as GPT-2, both families: normal with standard deviation 0.02, of projections into the
// residual stream 0.02 / sqrt(2 * layers); biases 0; norms 1 and 0.
std::unique_ptr<ModelUnit> MakeUnit(const v1::ModelSpec& model, uint32_t unit, uint64_t seed);

// A seed for one purpose out of the job's: well mixed, the same on every machine.
uint64_t MixSeed(uint64_t seed, uint64_t a, uint64_t b);

}  // namespace paci
