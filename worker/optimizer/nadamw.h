#pragma once

#include "worker/optimizer/adamw.h"

namespace paci {

// Adam with Nesterov's look-ahead (Dozat, 2016) and decoupled decay, which AsyncPP (ICML 2025,
// section 4) takes against stale gradients, with a beta1 of 0.99. With the momentum of step t
//   mu_t = beta1 (1 - 0.96^(0.004 t) / 2),   M_t = mu_1 ... mu_t
// and m, v as in AdamW,
//   w = w (1 - lr weight_decay) - lr (mu_{t+1} m / (1 - M_{t+1}) + (1 - mu_t) g / (1 - M_t))
//                                    / (sqrt(v / (1 - beta2^t)) + eps)
class NAdamW final : public AdamW {
 public:
  using AdamW::AdamW;
  void Step(int64_t update, double learning_rate) override;
  void OnStateLoaded() override;

 private:
  double MomentumAt(int64_t step) const;

  int64_t steps_ = 0;
  double product_ = 1;  // M_t
};

}  // namespace paci
