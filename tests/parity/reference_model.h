#pragma once

#include <torch/types.h>

#include <map>
#include <string>
#include <vector>

#include "paci/v1/job.pb.h"

namespace paci {

// The model and its training written from their definitions, independently of worker/: what the
// parity tests compare with. LayerNorm, attention, GELU and cross-entropy are spelt out; the
// optimizer is LibTorch's own torch::optim::AdamW.

using Weights = std::map<std::string, torch::Tensor>;  // by parameter name

// Mean cross-entropy in nats a token of token ids [micro_batch, context + 1]. The forward's values
// come from `forward`; gradients are those of `backward` at the forward's activations, and reach
// the tensors of `backward`. With the same weights twice it is the plain model.
torch::Tensor ReferenceLoss(const v1::ModelSpec& model, const torch::Tensor& ids,
                            const Weights& forward, const Weights& backward);

// Which weights a micro-batch meets: versions are counted in updates.
struct Versions {
  int64_t forward = 0;
  int64_t backward = 0;
};
// Of parameter `name` and a micro-batch.
using VersionOf = Versions (*)(const v1::JobSpec& spec, const std::string& name,
                               int64_t micro_batch);

// Clipping by the pipeline's norm.
struct NormsKnown {
  int64_t stages = 0;
  int64_t (*stage_of)(const std::string& name) = nullptr;
  // The update (from 0) of which `stage` knows the norm of `other` at `update`; below 0: of none.
  // It is taken to have grown as the stage's own has since the last update.
  int64_t (*update_known)(const v1::JobSpec& spec, int64_t stage, int64_t other,
                          int64_t update) = nullptr;
};

struct ReferenceRun {
  std::vector<double> losses;       // of every update
  Weights weights;                  // in the end
  std::vector<double> known_norms;  // of the pipeline, by stage, at the last update
  int64_t clipped = 0;              // updates of stages
};

// Trains `spec` from `initial`, in one process and one micro-batch after the other, with the
// weights that `version_of` names. No dropout; no clipping unless `norms` says how.
ReferenceRun TrainReference(const v1::JobSpec& spec, const Weights& initial, VersionOf version_of,
                            const NormsKnown& norms = {});

}  // namespace paci
