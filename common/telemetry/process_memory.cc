#include "common/telemetry/process_memory.h"

#include <fstream>
#include <sstream>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace paci {
namespace {

absl::StatusOr<uint64_t> BytesOf(absl::string_view key, absl::string_view proc_status) {
  for (absl::string_view line : absl::StrSplit(proc_status, '\n')) {
    if (!absl::ConsumePrefix(&line, key)) continue;
    uint64_t kibibytes = 0;
    if (absl::ConsumeSuffix(&line, " kB") && absl::SimpleAtoi(line, &kibibytes)) {
      return kibibytes * 1024;
    }
  }
  return absl::InternalError(
      absl::StrCat("no line \"", key, " <number> kB\" in the process's status"));
}

}  // namespace

absl::StatusOr<ProcessMemory> ParseProcessMemory(absl::string_view proc_status) {
  const absl::StatusOr<uint64_t> resident = BytesOf("VmRSS:", proc_status);
  if (!resident.ok()) return resident.status();
  const absl::StatusOr<uint64_t> peak = BytesOf("VmHWM:", proc_status);
  if (!peak.ok()) return peak.status();
  return ProcessMemory{*resident, *peak};
}

absl::StatusOr<ProcessMemory> ReadProcessMemory() {
  std::ifstream in("/proc/self/status");
  std::stringstream text;
  text << in.rdbuf();
  return ParseProcessMemory(text.str());
}

}  // namespace paci
