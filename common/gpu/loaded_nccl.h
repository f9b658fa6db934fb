#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/gpu/nccl_api.h"

namespace paci {

// NCCL (libnccl.so.2), its versions from 2.18 on. NOT_FOUND: it cannot be loaded;
// FAILED_PRECONDITION: it is older.
absl::StatusOr<std::unique_ptr<NcclApi>> OpenNccl();

// "2.30.7". Errors as above.
absl::StatusOr<std::string> NcclVersion();

// Device `uuid` as NCCL tells it from others: two ranks cannot join on one device of one host, and
// NCCL_HOSTID says which host this process is to count as.
std::string NcclDeviceId(absl::string_view uuid);

}  // namespace paci
