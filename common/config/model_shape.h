#pragma once

// What a model's shape is where its spec leaves it to the family: the defaults of the job file, for
// specs that are older than the keys or made without it.

#include <cstdint>

#include "paci/v1/job.pb.h"

namespace paci {

inline bool IsLlama(const v1::ModelSpec& model) { return model.family() == v1::MODEL_FAMILY_LLAMA; }

inline int64_t KvHeads(const v1::ModelSpec& model) {
  return model.kv_heads() > 0 ? model.kv_heads() : model.heads();
}

// Width of all heads of keys, and of all of values.
inline int64_t KvHidden(const v1::ModelSpec& model) {
  return model.heads() == 0 ? model.hidden() : model.hidden() / model.heads() * KvHeads(model);
}

// GPT-2 takes four times `hidden`; Llama's three matrices of 8/3 have as many weights as two of
// those, and 64 is the multiple that every device likes.
inline int64_t FfnHidden(const v1::ModelSpec& model) {
  if (model.ffn_hidden() > 0) return model.ffn_hidden();
  const int64_t hidden = model.hidden();
  return IsLlama(model) ? (8 * hidden / 3 + 63) / 64 * 64 : 4 * hidden;
}

inline double NormEpsilon(const v1::ModelSpec& model) {
  return model.norm_epsilon() > 0 ? model.norm_epsilon() : 1e-5;
}

inline double RopeTheta(const v1::ModelSpec& model) {
  return model.rope_theta() > 0 ? model.rope_theta() : 10000;
}

inline bool ScalesRope(const v1::ModelSpec& model) { return model.rope_factor() > 1; }

// Weights of a block's matrices.
inline int64_t BlockMatrices(const v1::ModelSpec& model) {
  const int64_t hidden = model.hidden();
  const int64_t keys_and_values = 2 * KvHidden(model);
  return hidden * (2 * hidden + keys_and_values) +
         (IsLlama(model) ? 3 : 2) * hidden * FfnHidden(model);
}

}  // namespace paci
