#include "common/gpu/loaded_cuda.h"

#include <cuda.h>
#include <cuda_runtime_api.h>

#include <array>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/gpu/shared_library.h"

// The name that a function of a header has in its library: some are macros for a newer version.
#define PACI_TEXT(name) #name
#define PACI_SYMBOL(name) PACI_TEXT(name)
#define PACI_FIND(library, name, member) (library).Find(PACI_SYMBOL(name), member)

namespace paci {
namespace {

std::string VersionText(int version) {
  return absl::StrCat(version / 1000, ".", version % 1000 / 10);
}

// The driver's functions, which know the devices without making a context on one.
struct Driver {
  decltype(cuInit)* init = nullptr;
  decltype(cuGetErrorString)* error_string = nullptr;
  decltype(cuDriverGetVersion)* version = nullptr;
  decltype(cuDeviceGetCount)* count = nullptr;
  decltype(cuDeviceGet)* device = nullptr;
  decltype(cuDeviceGetName)* name = nullptr;
  decltype(cuDeviceGetUuid)* uuid = nullptr;
  decltype(cuDeviceTotalMem)* memory = nullptr;

  absl::Status Check(CUresult result, absl::string_view what) const {
    if (result == CUDA_SUCCESS) return absl::OkStatus();
    const char* text = nullptr;
    error_string(result, &text);
    return absl::UnavailableError(
        absl::StrCat("the CUDA driver, ", what, ": ", text == nullptr ? "unknown error" : text));
  }
};

absl::StatusOr<Driver> OpenDriver() {
  const auto library = SharedLibrary::Open("libcuda.so.1", "the NVIDIA driver");
  if (!library.ok()) return library.status();
  Driver driver;
  absl::Status found = PACI_FIND(*library, cuInit, driver.init);
  found.Update(PACI_FIND(*library, cuGetErrorString, driver.error_string));
  found.Update(PACI_FIND(*library, cuDriverGetVersion, driver.version));
  found.Update(PACI_FIND(*library, cuDeviceGetCount, driver.count));
  found.Update(PACI_FIND(*library, cuDeviceGet, driver.device));
  found.Update(PACI_FIND(*library, cuDeviceGetName, driver.name));
  found.Update(PACI_FIND(*library, cuDeviceGetUuid, driver.uuid));
  found.Update(PACI_FIND(*library, cuDeviceTotalMem, driver.memory));
  if (found.ok()) found = driver.Check(driver.init(0), "starting");
  if (!found.ok()) return found;
  return driver;
}

std::string UuidText(const CUuuid& uuid) {
  const std::string hex = absl::BytesToHexString(absl::string_view(uuid.bytes, sizeof(uuid.bytes)));
  return absl::StrCat("GPU-", hex.substr(0, 8), "-", hex.substr(8, 4), "-", hex.substr(12, 4), "-",
                      hex.substr(16, 4), "-", hex.substr(20));
}

absl::StatusOr<GpuDevice> Describe(const Driver& driver, int ordinal) {
  GpuDevice described;
  described.ordinal = ordinal;
  CUdevice device = 0;
  std::array<char, 256> name = {};
  CUuuid uuid = {};
  size_t memory = 0;
  absl::Status read = driver.Check(driver.device(&device, ordinal), "finding a device");
  if (read.ok()) read = driver.Check(driver.name(name.data(), name.size(), device), "its name");
  if (read.ok()) read = driver.Check(driver.uuid(&uuid, device), "its UUID");
  if (read.ok()) read = driver.Check(driver.memory(&memory, device), "its memory");
  if (!read.ok()) return read;
  described.name = name.data();
  described.uuid = UuidText(uuid);
  described.memory_bytes = memory;
  return described;
}

struct Runtime {
  decltype(cudaGetErrorString)* error_string = nullptr;
  decltype(cudaRuntimeGetVersion)* version = nullptr;
  decltype(cudaSetDevice)* set_device = nullptr;
  decltype(cudaStreamCreateWithFlags)* create_stream = nullptr;
  decltype(cudaStreamDestroy)* destroy_stream = nullptr;
  decltype(cudaStreamSynchronize)* synchronize = nullptr;
  decltype(cudaEventCreateWithFlags)* create_event = nullptr;
  decltype(cudaEventDestroy)* destroy_event = nullptr;
  decltype(cudaEventRecord)* record = nullptr;
  decltype(cudaEventQuery)* query = nullptr;
  decltype(cudaStreamWaitEvent)* wait = nullptr;
  decltype(cudaHostAlloc)* allocate_pinned = nullptr;
  decltype(cudaFreeHost)* free_pinned = nullptr;
  decltype(cudaMemcpyAsync)* copy = nullptr;
};

absl::StatusOr<Runtime> OpenRuntime() {
  const auto library = SharedLibrary::Open("libcudart.so.13", "the CUDA runtime");
  if (!library.ok()) return library.status();
  // The headers overload some of these for C++.
  Runtime runtime;
  absl::Status found = library->Find("cudaGetErrorString", runtime.error_string);
  found.Update(library->Find("cudaRuntimeGetVersion", runtime.version));
  found.Update(library->Find("cudaSetDevice", runtime.set_device));
  found.Update(library->Find("cudaStreamCreateWithFlags", runtime.create_stream));
  found.Update(library->Find("cudaStreamDestroy", runtime.destroy_stream));
  found.Update(library->Find("cudaStreamSynchronize", runtime.synchronize));
  found.Update(library->Find("cudaEventCreateWithFlags", runtime.create_event));
  found.Update(library->Find("cudaEventDestroy", runtime.destroy_event));
  found.Update(library->Find("cudaEventRecord", runtime.record));
  found.Update(library->Find("cudaEventQuery", runtime.query));
  found.Update(library->Find("cudaStreamWaitEvent", runtime.wait));
  found.Update(library->Find("cudaHostAlloc", runtime.allocate_pinned));
  found.Update(library->Find("cudaFreeHost", runtime.free_pinned));
  found.Update(library->Find("cudaMemcpyAsync", runtime.copy));
  if (!found.ok()) return found;
  return runtime;
}

class LoadedCuda final : public CudaApi {
 public:
  LoadedCuda(Runtime runtime, int ordinal) : cuda_(runtime), ordinal_(ordinal) {}

  absl::StatusOr<CudaStream> CreateStream() override {
    UseDevice();
    cudaStream_t stream = nullptr;
    const absl::Status made =
        Check(cuda_.create_stream(&stream, cudaStreamNonBlocking), "making a stream");
    if (!made.ok()) return made;
    return stream;
  }
  void DestroyStream(CudaStream stream) override {
    UseDevice();
    (void)cuda_.destroy_stream(static_cast<cudaStream_t>(stream));
  }
  absl::Status Synchronize(CudaStream stream) override {
    UseDevice();
    return Check(cuda_.synchronize(static_cast<cudaStream_t>(stream)), "waiting for a stream");
  }

  absl::StatusOr<CudaEvent> CreateEvent() override {
    UseDevice();
    cudaEvent_t event = nullptr;
    const absl::Status made =
        Check(cuda_.create_event(&event, cudaEventDisableTiming), "making an event");
    if (!made.ok()) return made;
    return event;
  }
  void DestroyEvent(CudaEvent event) override {
    UseDevice();
    (void)cuda_.destroy_event(static_cast<cudaEvent_t>(event));
  }
  absl::Status Record(CudaEvent event, CudaStream stream) override {
    UseDevice();
    return Check(cuda_.record(static_cast<cudaEvent_t>(event), static_cast<cudaStream_t>(stream)),
                 "recording an event");
  }
  absl::StatusOr<bool> HasPassed(CudaEvent event) override {
    UseDevice();
    const cudaError_t result = cuda_.query(static_cast<cudaEvent_t>(event));
    if (result == cudaErrorNotReady) return false;
    if (absl::Status read = Check(result, "asking for an event"); !read.ok()) return read;
    return true;
  }
  absl::Status MakeWait(CudaStream stream, CudaEvent event) override {
    UseDevice();
    return Check(cuda_.wait(static_cast<cudaStream_t>(stream), static_cast<cudaEvent_t>(event), 0),
                 "making a stream wait");
  }

  absl::StatusOr<std::byte*> AllocatePinned(size_t bytes) override {
    UseDevice();
    void* memory = nullptr;
    const cudaError_t result = cuda_.allocate_pinned(&memory, bytes, cudaHostAllocDefault);
    if (result == cudaErrorMemoryAllocation) {
      return absl::ResourceExhaustedError(
          absl::StrCat("the host has no ", bytes, " bytes of memory to pin for the device"));
    }
    if (absl::Status made = Check(result, "pinning memory of the host"); !made.ok()) return made;
    return static_cast<std::byte*>(memory);
  }
  void FreePinned(std::byte* memory) override {
    UseDevice();
    (void)cuda_.free_pinned(memory);
  }
  absl::Status Copy(std::byte* to, const std::byte* from, size_t bytes,
                    CudaStream stream) override {
    UseDevice();
    return Check(cuda_.copy(to, from, bytes, cudaMemcpyDefault, static_cast<cudaStream_t>(stream)),
                 "copying between host and device");
  }

 private:
  // The runtime has a present device a thread.
  void UseDevice() const { (void)cuda_.set_device(ordinal_); }

  absl::Status Check(cudaError_t result, absl::string_view what) const {
    if (result == cudaSuccess) return absl::OkStatus();
    return absl::InternalError(
        absl::StrCat("CUDA device ", ordinal_, ", ", what, ": ", cuda_.error_string(result)));
  }

  const Runtime cuda_;
  const int ordinal_;
};

}  // namespace

absl::StatusOr<std::vector<GpuDevice>> ListGpus() {
  const absl::StatusOr<Driver> driver = OpenDriver();
  if (!driver.ok()) return driver.status();
  int count = 0;
  const absl::Status counted = driver->Check(driver->count(&count), "counting devices");
  if (!counted.ok()) return counted;
  std::vector<GpuDevice> devices;
  for (int i = 0; i < count; ++i) {
    absl::StatusOr<GpuDevice> device = Describe(*driver, i);
    if (!device.ok()) return device.status();
    devices.push_back(*std::move(device));
  }
  return devices;
}

absl::StatusOr<std::string> CudaDriverVersion() {
  const absl::StatusOr<Driver> driver = OpenDriver();
  if (!driver.ok()) return driver.status();
  int version = 0;
  const absl::Status read = driver->Check(driver->version(&version), "its version");
  if (!read.ok()) return read;
  return VersionText(version);
}

absl::StatusOr<std::string> CudaRuntimeVersion() {
  const absl::StatusOr<Runtime> runtime = OpenRuntime();
  if (!runtime.ok()) return runtime.status();
  int version = 0;
  const cudaError_t result = runtime->version(&version);
  if (result != cudaSuccess) return absl::InternalError(runtime->error_string(result));
  return VersionText(version);
}

absl::StatusOr<std::unique_ptr<CudaApi>> OpenCuda(int ordinal) {
  const absl::StatusOr<std::vector<GpuDevice>> devices = ListGpus();
  if (!devices.ok()) return devices.status();
  if (ordinal < 0 || ordinal >= static_cast<int>(devices->size())) {
    return absl::OutOfRangeError(
        absl::StrCat("there is no CUDA device ", ordinal, ": this machine has ", devices->size()));
  }
  absl::StatusOr<Runtime> runtime = OpenRuntime();
  if (!runtime.ok()) return runtime.status();
  return std::make_unique<LoadedCuda>(*runtime, ordinal);
}

}  // namespace paci
