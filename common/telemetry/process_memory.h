#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace paci {

struct ProcessMemory {
  uint64_t resident_bytes = 0;
  uint64_t peak_resident_bytes = 0;
};

// Of this process, from /proc/self/status. Thread-safe. INTERNAL when that says neither.
absl::StatusOr<ProcessMemory> ReadProcessMemory();

// `proc_status` is the text of such a file: VmRSS and VmHWM, in kB.
absl::StatusOr<ProcessMemory> ParseProcessMemory(absl::string_view proc_status);

}  // namespace paci
