#include "worker/host.h"

#include <unistd.h>

#include <random>

#include "absl/strings/str_cat.h"
#include "common/rpc/version.h"

namespace paci {
namespace {

std::string HostName() {
  char name[256] = {};
  return gethostname(name, sizeof(name) - 1) == 0 ? name : "localhost";
}

}  // namespace

std::string DefaultWorkerName() { return absl::StrCat(HostName(), "-", getpid()); }

std::string RandomWorkerId() {
  std::random_device random;
  std::string id;
  for (int i = 0; i < 4; ++i) absl::StrAppend(&id, absl::Hex(random(), absl::kZeroPad8));
  return id;
}

v1::WorkerInfo DescribeHost() {
  v1::WorkerInfo info;
  info.set_version(kVersion);
  info.set_host(HostName());
  info.set_device("cpu");
  info.set_memory_bytes(static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE));
  return info;
}

}  // namespace paci
