#pragma once

#include "worker/optimizer/optimizer.h"

namespace paci {

// Any optimizer, corrected for lag: the gradients of an update are of weights `tau` updates back,
// so its direction d_t is the one that was due tau updates ago, and the steps since then have gone
// along what is now known to be wrong by d_t - d_{t-1}. With e a mean of the directions before,
//   w = w - lr (d_t + gain (d_t - e)),   e = e + rate (d_t - e)
// EXTRAPOLATE: gain = min(1, tau), rate = 1: the direction goes on as it changed since the last
// update, which e is. With a constant learning rate and tau <= 1 it makes up for the whole error.
// ERROR_FEEDBACK: gain = tau / (1 + tau), rate = 1 / (1 + tau). This is a residual r, of which an
// update takes back its share, written without r:
//   r_t = (1 - rate) r_{t-1} + tau (d_t - d_{t-1}),   w = w - lr (d_t + rate r_t)
// so that all of the error is made up for, whatever tau, over 1 + tau updates and not at once. The
// idea is that of arXiv 2606.30634; the form is this project's own, the paper's was not at hand.
// Where tau is 0 nothing is corrected, and e is the last direction.
class LagCorrected final : public Optimizer {
 public:
  // `parameters` are those of `optimizer`; `correction` is one of the two.
  LagCorrected(std::unique_ptr<Optimizer> optimizer, const std::vector<Parameter>& parameters,
               v1::LagCorrection correction, LagOf lag_of);

  void Step(int64_t update, double learning_rate) override;
  at::Tensor Direction(size_t index) const override { return optimizer_->Direction(index); }
  // That of the optimizer, and ("earlier_direction", e).
  std::vector<std::pair<std::string, at::Tensor>> State(size_t index) const override;
  void OnStateLoaded() override { optimizer_->OnStateLoaded(); }

 private:
  const std::unique_ptr<Optimizer> optimizer_;
  const v1::LagCorrection correction_;
  const LagOf lag_of_;
  std::vector<at::Tensor> weights_;  // variable_data of each parameter
  std::vector<at::Tensor> earlier_;  // e
};

}  // namespace paci
