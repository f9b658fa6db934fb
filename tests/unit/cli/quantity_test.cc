#include "cli/quantity.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace paci::cli {
namespace {

TEST(Quantity, Bytes) {
  EXPECT_EQ(ParseBytes("--m", "512B").value(), 512);
  EXPECT_EQ(ParseBytes("--m", "80GiB").value(), int64_t{80} << 30);
  EXPECT_EQ(ParseBytes("--m", "1.5GB").value(), 1'500'000'000);
  for (const char* bad : {"", "80", "GiB", "80 GiB", "-1GiB", "0GiB", "1e3MiB", "1.2.3GiB", "80gib",
                          "infGiB", "0x1GiB", "9999999999TiB"}) {
    EXPECT_FALSE(ParseBytes("--m", bad).ok()) << bad;
  }
  EXPECT_EQ(ParseBytes("--m", "80G").status().message(),
            "--m: \"80G\" is not right; expected a number above 0 and one of B, KB, MB, GB, TB, "
            "KiB, MiB, GiB, TiB, such as 80GiB");
}

TEST(Quantity, BandwidthIsInBitsAndFlopsAreDecimal) {
  EXPECT_EQ(ParseBandwidth("--b", "10Gbit").value(), 1.25e9);
  EXPECT_FALSE(ParseBandwidth("--b", "10GB").ok());
  EXPECT_EQ(ParseFlops("--f", "12.5T").value(), 12.5e12);
  EXPECT_FALSE(ParseFlops("--f", "12.5").ok());
}

TEST(Quantity, Latency) {
  EXPECT_EQ(ParseLatency("--l", "50us").value(), 50e-6);
  EXPECT_EQ(ParseLatency("--l", "0s").value(), 0);
  for (const char* bad : {"-1us", "2h", "us", "3601s"}) {
    EXPECT_FALSE(ParseLatency("--l", bad).ok()) << bad;
  }
}

TEST(Quantity, CountsAreOnesThatTheJobFileTakes) {
  EXPECT_THAT(ParseCounts("--s", "8,2,8", "pipeline.stages").value(), testing::ElementsAre(8, 2));
  for (const char* bad : {"", "2,", "0", "1025", "2 4", "two"}) {
    EXPECT_FALSE(ParseCounts("--s", bad, "pipeline.stages").ok()) << bad;
  }
}

}  // namespace
}  // namespace paci::cli
