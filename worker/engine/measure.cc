#include "worker/engine/measure.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <chrono>
#include <functional>

#include "worker/compute/guard.h"
#include "worker/engine/torch_engine.h"
#include "worker/model/gpt.h"

namespace paci {
namespace {

constexpr int kRepeats = 3;

// The shortest of a few runs after one that warms up: what disturbs a run makes it longer.
double SecondsOf(const std::function<void()>& work) {
  work();
  double shortest = 1e30;
  for (int i = 0; i < kRepeats; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    const auto end = std::chrono::steady_clock::now();
    shortest = std::min(shortest, std::chrono::duration<double>(end - begin).count());
  }
  return shortest;
}

double SecondsOfUnit(const v1::JobSpec& spec, uint32_t unit) {
  const int64_t rows = spec.pipeline().micro_batch();
  const int64_t context = spec.model().context();
  const bool is_embedding = unit == 0;
  const bool is_head = unit + 1 == UnitCount(spec.model());
  const auto made = MakeUnit(spec.model(), unit, /*seed=*/1);
  const at::Tensor ids = at::zeros({rows, context}, at::kLong);
  at::Tensor input = ids;
  if (!is_embedding) {
    input = at::randn({rows, context, int64_t{spec.model().hidden()}}).set_requires_grad(true);
  }
  return SecondsOf([&] {
    const at::Tensor output = made->Forward(input, /*dropout_seed=*/1);
    if (is_head) {
      torch::autograd::backward({CrossEntropy(output, ids)});
    } else {
      torch::autograd::backward({output}, {at::ones_like(output)});
    }
  });
}

}  // namespace

absl::StatusOr<v1::LayerCosts> MeasureLayerCosts(const v1::JobSpec& spec, uint32_t threads) {
  const auto what = [] { return "measuring the layers"; };
  return Guard(what, [&]() -> absl::StatusOr<v1::LayerCosts> {
    at::set_num_threads(static_cast<int>(threads));
    v1::LayerCosts costs;
    costs.set_embedding_seconds(SecondsOfUnit(spec, 0));
    costs.set_block_seconds(SecondsOfUnit(spec, 1));
    costs.set_head_seconds(SecondsOfUnit(spec, UnitCount(spec.model()) - 1));
    return costs;
  });
}

double MeasureMatmulFlops(uint32_t threads) {
  constexpr int64_t kSize = 512;
  at::set_num_threads(static_cast<int>(threads));
  const at::Tensor a = at::ones({kSize, kSize});
  const at::Tensor b = at::ones({kSize, kSize});
  return 2.0 * kSize * kSize * kSize / SecondsOf([&] { (void)at::mm(a, b); });
}

}  // namespace paci
