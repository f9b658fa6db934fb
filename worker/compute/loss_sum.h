#pragma once

#include <ATen/ATen.h>

#include <utility>

namespace paci {

// Losses of several micro-batches, without waiting for a device before the sum is needed.
class LossSum {
 public:
  void Add(const at::Tensor& loss) {
    if (loss.is_cpu()) {
      sum_ += loss.item<double>();
    } else if (on_device_.defined()) {
      on_device_.add_(loss.detach());
    } else {
      on_device_ = loss.detach().to(at::kDouble);
    }
  }
  double Take() {
    if (on_device_.defined()) sum_ += std::exchange(on_device_, at::Tensor()).item<double>();
    return std::exchange(sum_, 0.0);
  }

 private:
  double sum_ = 0;
  at::Tensor on_device_;
};

}  // namespace paci
