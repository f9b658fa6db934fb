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
#include "worker/device/precision.h"
#include "worker/device/torch_device.h"
#include "worker/engine/torch_engine.h"
#include "worker/model/cross_entropy.h"
#include "worker/model/model.h"

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

// The shortest run of each work, in turns, after one that warms up. On the CPU the seconds are
// those of this process's processors, shared by `threads`: what else the host does must not tilt a
// partition.
std::vector<double> SecondsOf(const std::vector<std::function<void()>>& works, uint32_t threads,
                              const at::Device& device) {
  const clockid_t clock = device.is_cpu() ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC;
  const double share = device.is_cpu() ? threads : 1;
  for (const auto& work : works) work();
  std::vector<double> shortest(works.size(), std::numeric_limits<double>::infinity());
  const double first = SecondsOf(CLOCK_MONOTONIC);
  for (int round = 0; round < kMostRounds; ++round) {
    if (round >= kFewestRounds && SecondsOf(CLOCK_MONOTONIC) - first > kSpreadSeconds) break;
    for (size_t i = 0; i < works.size(); ++i) {
      AwaitDevice(device);
      const double begin = SecondsOf(clock);
      works[i]();
      AwaitDevice(device);
      shortest[i] = std::min(shortest[i], (SecondsOf(clock) - begin) / share);
    }
  }
  return shortest;
}

// Forward and backward of a unit.
std::function<void()> WorkOf(const v1::JobSpec& spec, uint32_t unit, const at::Device& device) {
  const int64_t rows = spec.pipeline().micro_batch();
  const int64_t context = spec.model().context();
  const bool is_head = unit + 1 == UnitCount(spec.model());
  const std::shared_ptr<ModelUnit> made = MakeUnit(spec.model(), unit, /*seed=*/1);
  const at::ScalarType type = ActivationType(spec);
  made->MoveTo(device, type);
  const at::TensorOptions options = at::TensorOptions().device(device);
  const at::Tensor ids = at::zeros({rows, context}, options.dtype(at::kLong));
  at::Tensor input = ids;
  if (unit > 0) {
    input = at::randn({rows, context, int64_t{spec.model().hidden()}}, options.dtype(type))
                .set_requires_grad(true);
  }
  const v1::Precision precision = spec.train().precision();
  return [=] {
    at::Tensor output;
    {
      const Autocast autocast(precision, device.type());
      output = made->Forward(input, {/*dropout_seed=*/1});
    }
    if (is_head) {
      torch::autograd::backward({CrossEntropy(output, ids)});
    } else {
      torch::autograd::backward({output}, {at::ones_like(output)});
    }
  };
}

}  // namespace

absl::StatusOr<v1::LayerCosts> MeasureLayerCosts(const v1::JobSpec& spec, uint32_t threads,
                                                 int gpu) {
  const auto what = [] { return "measuring the layers"; };
  return Guard(what, [&]() -> absl::StatusOr<v1::LayerCosts> {
    at::set_num_threads(static_cast<int>(threads));
    const at::Device device = DeviceOf(gpu);
    UseDevice(device, /*is_deterministic=*/false);
    const uint32_t head = UnitCount(spec.model()) - 1;
    const std::vector<double> seconds =
        SecondsOf({WorkOf(spec, 0, device), WorkOf(spec, 1, device), WorkOf(spec, head, device)},
                  threads, device);
    v1::LayerCosts costs;
    costs.set_embedding_seconds(seconds[0]);
    costs.set_block_seconds(seconds[1]);
    costs.set_head_seconds(seconds[2]);
    return costs;
  });
}

double MeasureMatmulFlops(uint32_t threads, int gpu) {
  at::set_num_threads(static_cast<int>(threads));
  const at::Device device = DeviceOf(gpu);
  UseDevice(device, /*is_deterministic=*/false);
  const int64_t size = device.is_cpu() ? 512 : 8192;
  const at::ScalarType type = device.is_cpu() ? at::kFloat : at::kBFloat16;
  // Not ones: a device is faster on numbers whose bits do not change.
  const at::Tensor a = at::randn({size, size}, at::TensorOptions().device(device).dtype(type));
  const double seconds = SecondsOf({[&] { (void)at::mm(a, a); }}, threads, device)[0];
  return 2.0 * static_cast<double>(size * size * size) / seconds;
}

}  // namespace paci
