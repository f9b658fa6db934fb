#include "common/telemetry/process_memory.h"

#include <gtest/gtest.h>

#include <vector>

namespace paci {
namespace {

TEST(ProcessMemory, ReadsResidentAndPeakInBytes) {
  const auto memory = ParseProcessMemory("Name:\tx\nVmHWM:\t    3000 kB\nVmRSS:\t    2000 kB\n");
  ASSERT_TRUE(memory.ok()) << memory.status();
  EXPECT_EQ(memory->resident_bytes, 2000u * 1024);
  EXPECT_EQ(memory->peak_resident_bytes, 3000u * 1024);
}

TEST(ProcessMemory, AMissingOrBrokenLineIsAnError) {
  EXPECT_FALSE(ParseProcessMemory("").ok());
  EXPECT_FALSE(ParseProcessMemory("VmRSS:\t1 kB\n").ok());
  EXPECT_FALSE(ParseProcessMemory("VmRSS:\tx kB\nVmHWM:\t1 kB\n").ok());
  EXPECT_FALSE(ParseProcessMemory("VmRSS:\t1 MB\nVmHWM:\t1 kB\n").ok());
}

TEST(ProcessMemory, PeakKeepsWhatWasFreed) {
  constexpr uint64_t kSize = 64 << 20;
  const auto before = ReadProcessMemory();
  ASSERT_TRUE(before.ok()) << before.status();
  { std::vector<char> block(kSize, 1); }
  const auto after = ReadProcessMemory();
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_GE(after->peak_resident_bytes, before->resident_bytes + kSize / 2);
  EXPECT_LT(after->resident_bytes, before->resident_bytes + kSize / 2);
}

}  // namespace
}  // namespace paci
