#include "worker/device/torch_cuda.h"

#include <ATen/Context.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>

#include <cstdlib>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "common/gpu/loaded_cuda.h"
#include "common/gpu/loaded_nccl.h"
#include "common/gpu/shared_library.h"

namespace paci {
namespace {

absl::Status LoadOnce() {
  // What cuBLAS needs for results that are the same every time; it reads it once.
  setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*overwrite=*/0);
  const auto library = SharedLibrary::Open("libtorch_cuda.so", "LibTorch");
  if (!library.ok()) return library.status();
  if (!c10::impl::hasDeviceGuardImpl(at::kCUDA) ||
      c10::impl::getDeviceGuardImpl(at::kCUDA)->deviceCount() == 0) {
    return absl::FailedPreconditionError("libtorch_cuda.so is loaded, and finds no CUDA device");
  }
  return absl::OkStatus();
}

std::string Line(absl::string_view what, const absl::StatusOr<std::string>& found) {
  return absl::StrCat(what, found.ok() ? *found : std::string(found.status().message()), "\n");
}

}  // namespace

absl::Status LoadTorchCuda() {
  static const absl::Status loaded = LoadOnce();
  return loaded;
}

GpuReport ProbeGpus() {
  const auto driver = CudaDriverVersion();
  const auto devices = ListGpus();
  const auto runtime = CudaRuntimeVersion();
  const auto nccl = NcclVersion();
  const absl::Status torch = LoadTorchCuda();
  GpuReport report;
  report.text = absl::StrCat(
      Line("CUDA driver   ", driver), Line("CUDA runtime  ", runtime), Line("NCCL          ", nccl),
      Line("LibTorch      ", torch.ok() ? absl::StatusOr<std::string>("loaded") : torch));
  if (devices.ok()) {
    for (const GpuDevice& device : *devices) {
      absl::StrAppend(&report.text, "device cuda:", device.ordinal, " ", device.name, ", ",
                      device.memory_bytes >> 20, " MiB, ", device.uuid, "\n");
    }
    if (devices->empty()) absl::StrAppend(&report.text, "no CUDA device\n");
  }
  report.is_complete = devices.ok() && !devices->empty() && runtime.ok() && nccl.ok() && torch.ok();
  return report;
}

}  // namespace paci
