#include "worker/engine/measure.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <time.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <memory>
#include <vector>

#include "worker/compute/guard.h"
#include "worker/engine/torch_engine.h"
#include "worker/model/gpt.h"

namespace paci {
namespace {

constexpr double kSpreadSeconds = 0.4;
constexpr int kFewestRounds = 2;
constexpr int kMostRounds = 200;

double SecondsOf(clockid_t clock) {
  timespec now;
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// The shortest run of each work, in turns, after one that warms up. Seconds are those of this
// process's processors, shared by `threads`: what else the host does must not tilt a partition.
std::vector<double> SecondsOf(const std::vector<std::function<void()>>& works, uint32_t threads) {
  for (const auto& work : works) work();
  std::vector<double> shortest(works.size(), std::numeric_limits<double>::infinity());
  const double first = SecondsOf(CLOCK_MONOTONIC);
  for (int round = 0; round < kMostRounds; ++round) {
    if (round >= kFewestRounds && SecondsOf(CLOCK_MONOTONIC) - first > kSpreadSeconds) break;
    for (size_t i = 0; i < works.size(); ++i) {
      const double begin = SecondsOf(CLOCK_PROCESS_CPUTIME_ID);
      works[i]();
      const double seconds = SecondsOf(CLOCK_PROCESS_CPUTIME_ID) - begin;
      shortest[i] = std::min(shortest[i], seconds / threads);
    }
  }
  return shortest;
}

// Forward and backward of a unit.
std::function<void()> WorkOf(const v1::JobSpec& spec, uint32_t unit) {
  const int64_t rows = spec.pipeline().micro_batch();
  const int64_t context = spec.model().context();
  const bool is_head = unit + 1 == UnitCount(spec.model());
  const std::shared_ptr<ModelUnit> made = MakeUnit(spec.model(), unit, /*seed=*/1);
  const at::Tensor ids = at::zeros({rows, context}, at::kLong);
  at::Tensor input = ids;
  if (unit > 0) {
    input = at::randn({rows, context, int64_t{spec.model().hidden()}}).set_requires_grad(true);
  }
  return [=] {
    const at::Tensor output = made->Forward(input, {/*dropout_seed=*/1});
    if (is_head) {
      torch::autograd::backward({CrossEntropy(output, ids)});
    } else {
      torch::autograd::backward({output}, {at::ones_like(output)});
    }
  };
}

}  // namespace

absl::StatusOr<v1::LayerCosts> MeasureLayerCosts(const v1::JobSpec& spec, uint32_t threads) {
  const auto what = [] { return "measuring the layers"; };
  return Guard(what, [&]() -> absl::StatusOr<v1::LayerCosts> {
    at::set_num_threads(static_cast<int>(threads));
    const std::vector<double> seconds = SecondsOf(
        {WorkOf(spec, 0), WorkOf(spec, 1), WorkOf(spec, UnitCount(spec.model()) - 1)}, threads);
    v1::LayerCosts costs;
    costs.set_embedding_seconds(seconds[0]);
    costs.set_block_seconds(seconds[1]);
    costs.set_head_seconds(seconds[2]);
    return costs;
  });
}

double MeasureMatmulFlops(uint32_t threads) {
  constexpr int64_t kSize = 512;
  at::set_num_threads(static_cast<int>(threads));
  const at::Tensor a = at::ones({kSize, kSize});
  const at::Tensor b = at::ones({kSize, kSize});
  return 2.0 * kSize * kSize * kSize / SecondsOf({[&] { (void)at::mm(a, b); }}, threads)[0];
}

}  // namespace paci
