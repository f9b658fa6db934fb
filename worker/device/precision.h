#pragma once

#include <ATen/core/Tensor.h>

#include "paci/v1/job.pb.h"

namespace paci {

// The numbers of a job's weights and activations between stages: BFloat16 with train.precision
// bf16, else float32. Optimizers step float32 masters in any case, and checkpoints keep these.
at::ScalarType ActivationType(const v1::JobSpec& spec);

// While it lives, and precision is bf16_autocast, LibTorch runs matrix products of this thread in
// BFloat16 and leaves sums and norms in float32. Casts of weights last as long: a step must not
// come between. Not nested.
class Autocast {
 public:
  Autocast(v1::Precision precision, at::DeviceType device);
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;
  ~Autocast();

 private:
  const bool is_on_;
  const at::DeviceType device_;
};

}  // namespace paci
