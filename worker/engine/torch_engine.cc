#include "worker/engine/torch_engine.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/checkpoint/checkpoint.h"
#include "worker/compute/torch_compute.h"
#include "worker/engine/generate.h"
#include "worker/engine/measure.h"
#include "worker/stage/emulated_compute.h"

namespace paci {
namespace {

class TorchEngine final : public Engine {
 public:
  TorchEngine(uint32_t threads, PathRoots roots, int gpu)
      : threads_(threads), roots_(std::move(roots)), gpu_(gpu) {}

  absl::StatusOr<std::unique_ptr<StageCompute>> MakeCompute(const v1::PrepareStage& command,
                                                            const StateCopy* state) override {
    const v1::JobSpec& spec = command.spec();
    if (absl::Status confined = CheckConfined(command, roots_); !confined.ok()) return confined;
    if (spec.has_emulation()) return MakeEmulatedCompute(spec, command.key().stage());
    const std::string device = gpu_ == kNoGpu ? "cpu" : "cuda";
    if (spec.train().device() != device) {
      return absl::FailedPreconditionError(
          absl::StrCat("train.device: this worker computes on \"", device, "\", not on \"",
                       spec.train().device(), "\": see paci-worker --device"));
    }
    return MakeTorchCompute(command, ThreadsOf(spec), state, gpu_);
  }

  absl::StatusOr<v1::LayerCosts> MeasureLayers(const v1::JobSpec& spec) override {
    return MeasureLayerCosts(spec, ThreadsOf(spec), gpu_);
  }

  absl::Status CommitCheckpoint(const v1::JobSpec& spec,
                                const v1::CommitCheckpoint& command) override {
    const absl::Status confined = CheckConfined("checkpoint.dir", spec.checkpoint().dir(), roots_);
    if (!confined.ok()) return confined;
    return CommitManifest(spec, command);
  }

  absl::StatusOr<v1::GenerateResponse> Generate(const v1::GenerateText& command) override {
    const absl::Status confined = CheckConfined("the checkpoint", command.checkpoint(), roots_);
    if (!confined.ok()) return confined;
    return GenerateFromCheckpoint(command, ThreadsOf(command.spec()));
  }

 private:
  uint32_t ThreadsOf(const v1::JobSpec& spec) const {
    return spec.train().threads() > 0 ? spec.train().threads() : threads_;
  }

  const uint32_t threads_;
  const PathRoots roots_;
  const int gpu_;
};

}  // namespace

std::unique_ptr<Engine> MakeTorchEngine(uint32_t threads, PathRoots roots, int gpu) {
  return std::make_unique<TorchEngine>(threads, std::move(roots), gpu);
}

}  // namespace paci
