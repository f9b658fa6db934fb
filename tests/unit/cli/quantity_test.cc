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

TEST(Quantity, JitterIsAShare) {
  EXPECT_EQ(ParseJitter("--j", "0.05").value(), 0.05);
  EXPECT_EQ(ParseJitter("--j", "0").value(), 0);
  EXPECT_EQ(ParseJitter("--j", "5%").status().message(),
            "--j: \"5%\" is not a number; expected a number in [0, 10]");
  for (const char* bad : {"", "-0.1", "10.1", "nan"}) {
    EXPECT_FALSE(ParseJitter("--j", bad).ok()) << bad;
  }
}

TEST(Quantity, StragglersAreStagesWithFactors) {
  EXPECT_THAT(ParseStragglers("--s", "4=1.2,0=2").value(),
              testing::ElementsAre(testing::Pair(0, 2), testing::Pair(4, 1.2)));
  const auto error = [](const char* text) {
    return std::string(ParseStragglers("--s", text).status().message());
  };
  EXPECT_EQ(error("4"), "--s: \"4\" is not right; expected STAGE=FACTOR, such as 4=1.2");
  EXPECT_EQ(error("1=2,1=3"), "--s: stage 1 is given twice");
  EXPECT_EQ(error("-1=2"), "--s: \"-1\" is out of range; expected a whole number in 0..1023");
  EXPECT_EQ(error("1=0"), "--s: 0 is out of range; expected a number in (0, 1000]");
  for (const char* bad : {"", "1=2,", "=2", "1=", "1024=2", "1=2=3", "one=2", "1.5=2", "1=1001"}) {
    EXPECT_NE(error(bad), "") << bad;
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
