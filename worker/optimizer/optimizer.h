#pragma once

// The optimizers: each steps the weights of one stage from their accumulated gradients, and asks no
// other stage. They write to the `master` of a parameter, its own storage with another version
// counter or a copy of it, so that autograd lets a later backward of an earlier forward use the
// weights as they are then (docs/decisions/in-place-step.md).

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/schedule/schedule.h"
#include "paci/v1/job.pb.h"
#include "worker/model/model.h"

namespace paci {

// The lag that is to be corrected for at an update of the run, in updates.
using LagOf = std::function<double(int64_t update)>;

// Single-threaded. Throws what LibTorch throws.
class Optimizer {
 public:
  virtual ~Optimizer() = default;

  // As update `update` of the run. REQUIRES: every parameter has a gradient.
  virtual void Step(int64_t update, double learning_rate) = 0;

  // What the weights of parameter `index` last moved along, per unit of learning rate, without
  // weight decay and without a correction for lag; 0 before the first step.
  virtual at::Tensor Direction(size_t index) const = 0;

  // Of parameter `index`, by name; the tensors are the optimizer's own.
  virtual std::vector<std::pair<std::string, at::Tensor>> State(size_t index) const = 0;
  // The tensors of State hold what a checkpoint kept of them.
  virtual void OnStateLoaded() {}
};

// The one that the job's schedule and optimizer ask for, of the stage of `schedule`, with its
// correction for lag if it has one.
std::unique_ptr<Optimizer> MakeOptimizer(const v1::JobSpec& spec, const Schedule& schedule,
                                         const std::vector<Parameter>& parameters);

}  // namespace paci
