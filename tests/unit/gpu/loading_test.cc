// The tables of functions on the real libraries, as far as a machine without a GPU goes; with one
// the same calls find it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "common/gpu/loaded_cuda.h"
#include "common/gpu/loaded_nccl.h"
#include "common/gpu/shared_library.h"

namespace paci {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(Loading, FindsTheRuntimeAndNcclThatComeWithTheBuild) {
  const auto runtime = CudaRuntimeVersion();
  ASSERT_TRUE(runtime.ok()) << runtime.status();
  EXPECT_THAT(*runtime, StartsWith("13."));
  const auto nccl = NcclVersion();
  ASSERT_TRUE(nccl.ok()) << nccl.status();
  EXPECT_EQ(*nccl, "2.30.7");
}

TEST(Loading, NcclMakesIdsThatDiffer) {
  const auto nccl = OpenNccl();
  ASSERT_TRUE(nccl.ok()) << nccl.status();
  const auto first = (*nccl)->MakeId();
  const auto second = (*nccl)->MakeId();
  ASSERT_TRUE(first.ok()) << first.status();
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_NE(*first, *second);
}

TEST(Loading, ADeviceOfAnotherHostIsAnotherOneToNccl) {
  ASSERT_EQ(unsetenv("NCCL_HOSTID"), 0);
  EXPECT_EQ(NcclDeviceId("GPU-a"), "GPU-a");
  ASSERT_EQ(setenv("NCCL_HOSTID", "other", 1), 0);
  EXPECT_EQ(NcclDeviceId("GPU-a"), "GPU-a@other");
  ASSERT_EQ(unsetenv("NCCL_HOSTID"), 0);
}

TEST(Loading, SaysThatThereIsNoDriver) {
  const auto devices = ListGpus();
  if (devices.ok()) GTEST_SKIP() << "there is one here";
  EXPECT_EQ(devices.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(devices.status().message(), HasSubstr("libcuda.so.1 of the NVIDIA driver"));
  EXPECT_EQ(OpenCuda(0).status(), devices.status());
  EXPECT_EQ(CudaDriverVersion().status(), devices.status());
}

TEST(Loading, NamesALibraryOrAFunctionThatIsMissing) {
  const auto library = SharedLibrary::Open("libnothing.so.7", "nobody");
  EXPECT_EQ(library.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(library.status().message(), HasSubstr("libnothing.so.7 of nobody"));
  const auto nccl = SharedLibrary::Open("libnccl.so.2", "NCCL");
  ASSERT_TRUE(nccl.ok()) << nccl.status();
  void (*function)() = nullptr;
  const absl::Status found = nccl->Find("ncclMakeCoffee", function);
  EXPECT_EQ(found.code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(found.message(), HasSubstr("libnccl.so.2 has no ncclMakeCoffee"));
}

}  // namespace
}  // namespace paci
