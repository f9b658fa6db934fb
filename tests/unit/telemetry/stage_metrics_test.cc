#include "common/telemetry/stage_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>

#include "absl/strings/str_split.h"
#include "common/telemetry/metric_families.h"
#include "tests/unit/telemetry/full_status.h"

namespace paci {
namespace {

using ::testing::Contains;
using ::testing::ElementsAreArray;
using ::testing::Not;
using ::testing::StartsWith;

std::vector<std::string> Samples(const std::vector<prometheus::MetricFamily>& families) {
  std::vector<std::string> samples;
  const std::string text = prometheus::TextSerializer().Serialize(families);
  for (absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    if (line[0] != '#') samples.emplace_back(line);
  }
  return samples;
}

TEST(StageMetrics, EveryFigureIsInItsOwnLine) {
  std::vector<prometheus::MetricFamily> families;
  AppendStageMetrics("demo-1", FullStatus(), families);
  EXPECT_THAT(
      Samples(families),
      ElementsAreArray({
          R"(paci_stage_info{job="demo-1",stage="1",worker="two",state="running",units="2-3,8-9"} 1)",
          R"(paci_forwards_total{job="demo-1",stage="1"} 103)",
          R"(paci_backwards_total{job="demo-1",stage="1"} 101)",
          R"(paci_updates_total{job="demo-1",stage="1"} 5)",
          R"(paci_skipped_updates_total{job="demo-1",stage="1"} 1)",
          R"(paci_in_flight{job="demo-1",stage="1"} 2)",
          R"(paci_in_flight_cap{job="demo-1",stage="1"} 3)",
          R"(paci_activity_seconds_total{job="demo-1",stage="1",activity="forward"} 1.5)",
          R"(paci_activity_seconds_total{job="demo-1",stage="1",activity="backward"} 3.25)",
          R"(paci_activity_seconds_total{job="demo-1",stage="1",activity="weights"} 0.375)",
          R"(paci_activity_seconds_total{job="demo-1",stage="1",activity="update"} 0.5)",
          R"(paci_activity_seconds_total{job="demo-1",stage="1",activity="evaluate"} 0.75)",
          R"(paci_activity_seconds_total{job="demo-1",stage="1",activity="checkpoint"} 0.125)",
          R"(paci_activity_seconds_total{job="demo-1",stage="1",activity="wait_activation"} 2)",
          R"(paci_activity_seconds_total{job="demo-1",stage="1",activity="wait_gradient"} 4)",
          R"(paci_activity_seconds_total{job="demo-1",stage="1",activity="wait_send"} 0.0625)",
          R"(paci_activity_seconds_total{job="demo-1",stage="1",activity="other"} 0.25)",
          R"(paci_running_seconds_total{job="demo-1",stage="1"} 12.4375)",
          R"(paci_version_lag_count{job="demo-1",stage="1"} 101)",
          R"(paci_version_lag_sum{job="demo-1",stage="1"} 52)",
          R"(paci_version_lag_bucket{job="demo-1",stage="1",le="0"} 60)",
          R"(paci_version_lag_bucket{job="demo-1",stage="1",le="1"} 90)",
          R"(paci_version_lag_bucket{job="demo-1",stage="1",le="2"} 101)",
          R"(paci_version_lag_bucket{job="demo-1",stage="1",le="+Inf"} 101)",
          R"(paci_version_lag_bound{job="demo-1",stage="1"} 2)",
          R"(paci_parameter_drift_ratio{job="demo-1",stage="1"} 0.001)",
          R"(paci_parameter_drift_max_ratio{job="demo-1",stage="1"} 0.004)",
          R"(paci_gradient_norm{job="demo-1",stage="1"} 1.75)",
          R"(paci_pipeline_gradient_norm{job="demo-1",stage="1"} 3.5)",
          R"(paci_pipeline_gradient_norm_age_updates{job="demo-1",stage="1"} 2)",
          R"(paci_learning_rate{job="demo-1",stage="1"} 0.0007)",
          R"(paci_transferred_bytes_total{job="demo-1",stage="1",direction="sent"} 4096)",
          R"(paci_transferred_bytes_total{job="demo-1",stage="1",direction="received"} 8192)",
          R"(paci_resident_bytes{job="demo-1",stage="1"} 500000)",
          R"(paci_peak_resident_bytes{job="demo-1",stage="1"} 600000)",
          R"(paci_policy_bytes{job="demo-1",stage="1"} 4000)",
          R"(paci_parameters{job="demo-1",stage="1"} 1000)",
      }));
}

TEST(StageMetrics, StagesOfSeveralJobsShareTheirFamilies) {
  std::vector<prometheus::MetricFamily> families;
  AppendStageMetrics("a-1", FullStatus(), families);
  const size_t count = families.size();
  AppendStageMetrics("b-1", FullStatus(), families);
  EXPECT_EQ(families.size(), count);
  EXPECT_THAT(Samples(families), Contains(R"(paci_updates_total{job="a-1",stage="1"} 5)"));
  EXPECT_THAT(Samples(families), Contains(R"(paci_updates_total{job="b-1",stage="1"} 5)"));
}

TEST(StageMetrics, ALagBeyondItsBoundShowsOnlyInTheLastBucket) {
  v1::StageStatus status = FullStatus();
  status.mutable_lag()->set_bound(1);
  std::vector<prometheus::MetricFamily> families;
  AppendStageMetrics("j", status, families);
  const std::vector<std::string> samples = Samples(families);
  EXPECT_THAT(samples, Contains(R"(paci_version_lag_bucket{job="j",stage="1",le="1"} 90)"));
  EXPECT_THAT(samples,
              Not(Contains(StartsWith(R"(paci_version_lag_bucket{job="j",stage="1",le="2"})"))));
  EXPECT_THAT(samples, Contains(R"(paci_version_lag_bucket{job="j",stage="1",le="+Inf"} 101)"));
  EXPECT_THAT(samples, Contains(R"(paci_version_lag_sum{job="j",stage="1"} 52)"));
}

TEST(StageMetrics, BucketsUpToTheBoundAreThereBeforeTheFirstBackward) {
  v1::StageStatus status;
  status.mutable_lag()->set_bound(1);
  std::vector<prometheus::MetricFamily> families;
  AppendStageMetrics("j", status, families);
  EXPECT_THAT(Samples(families),
              Contains(R"(paci_version_lag_bucket{job="j",stage="0",le="1"} 0)"));
}

TEST(MetricFamilies, ALabelCannotForgeALine) {
  std::vector<prometheus::MetricFamily> families;
  MetricFamilies(families).AddGauge({"paci_x", "help"}, {{"worker", "a\"} 1\npaci_y{b=\""}}, 1);
  EXPECT_THAT(Samples(families), ElementsAreArray({R"(paci_x{worker="a\"} 1\npaci_y{b=\""} 1)"}));
}

}  // namespace
}  // namespace paci
