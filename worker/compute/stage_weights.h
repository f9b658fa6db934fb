#pragma once

// worker/compute: the weight policies of common/schedule/weight_policy.h, on tensors. Autograd
// saved the weights by reference, so that a policy gives a pass other values by writing them into
// the weights' storage before it, and the present ones back after it.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/schedule/schedule.h"
#include "paci/v1/job.pb.h"
#include "worker/model/model.h"
#include "worker/optimizer/optimizer.h"

namespace paci {

// Which values one stage's weights have during a forward and a backward. Micro-batches come in
// order. Single-threaded. Throws what LibTorch throws.
class StageWeights {
 public:
  virtual ~StageWeights() = default;

  using Pass = std::function<void()>;
  // Runs `pass` with the weights of the forward, or of the backward, of `micro_batch`.
  virtual void Forward(int64_t micro_batch, const Pass& pass) = 0;
  virtual void Backward(int64_t micro_batch, const Pass& pass) = 0;
  // Runs `step`, which changes the weights, as update `update`; one that was skipped counts.
  virtual void Step(int64_t update, const Pass& step) = 0;

  // What a checkpoint must keep of it once the pipeline is drained: by name, a tensor a parameter,
  // the policy's own.
  virtual std::vector<std::pair<std::string, std::vector<at::Tensor>>> State() const { return {}; }

  // What the policy makes of the learning rate of `update`.
  virtual double LearningRateScale(int64_t) const { return 1; }
  // Held beside the weights.
  virtual uint64_t bytes() const = 0;
};

// After `schedule.config().first_update` updates. `optimizer` is asked for its direction, and
// outlives this.
std::unique_ptr<StageWeights> MakeStageWeights(const v1::JobSpec& spec, const Schedule& schedule,
                                               const std::vector<Parameter>& parameters,
                                               const Optimizer* optimizer);

}  // namespace paci
