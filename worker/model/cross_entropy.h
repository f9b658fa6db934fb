#pragma once

#include <ATen/core/Tensor.h>

namespace paci {

// Mean cross-entropy in nats a token of `logits` against `targets` [micro_batch, context].
at::Tensor CrossEntropy(const at::Tensor& logits, const at::Tensor& targets);

}  // namespace paci
