// docs/metrics.md and the code name the same series, with the same types and labels.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "coordinator/service/cluster_metrics.h"
#include "tests/unit/telemetry/full_status.h"
#include "worker/metrics.h"

namespace paci {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Series to "type: labels".
using Reference = std::map<std::string, std::string>;

std::vector<prometheus::MetricFamily> OfTheCoordinator() {
  v1::Job job;
  job.set_id("demo-1");
  job.mutable_progress()->set_updates(1);
  job.mutable_progress()->set_last_validation_loss(2);
  job.mutable_progress()->set_loss(2);
  job.mutable_progress()->set_learning_rate(1);
  *job.add_stages() = FullStatus();
  job.add_checkpoints()->set_update(1);
  job.mutable_spec()->mutable_train()->set_updates(2);
  job.mutable_spec()->mutable_checkpoint()->set_dir("/checkpoints");
  job.mutable_spec()->mutable_checkpoint()->set_every(1);
  return ClusterMetrics({job}, {}, EventTally());
}

std::vector<prometheus::MetricFamily> OfAWorker() {
  return WorkerMetrics([] { return std::make_pair(std::string("demo-1"), FullStatus()); })
      .Collect();
}

std::string TypeName(prometheus::MetricType type) {
  switch (type) {
    case prometheus::MetricType::Counter:
      return "counter";
    case prometheus::MetricType::Gauge:
      return "gauge";
    case prometheus::MetricType::Histogram:
      return "histogram";
    default:
      return "?";
  }
}

Reference InCode() {
  Reference reference;
  for (const auto& families : {OfTheCoordinator(), OfAWorker()}) {
    for (const prometheus::MetricFamily& family : families) {
      for (const prometheus::ClientMetric& metric : family.metric) {
        const std::string labels = absl::StrJoin(
            metric.label, ", ",
            [](std::string* out, const auto& label) { absl::StrAppend(out, label.name); });
        const std::string entry = absl::StrCat(TypeName(family.type), ": ", labels);
        const auto [found, is_new] = reference.emplace(family.name, entry);
        EXPECT_TRUE(is_new || found->second == entry) << family.name;
      }
    }
  }
  return reference;
}

std::string Document() {
  std::ifstream in("docs/metrics.md");
  return std::string(std::istreambuf_iterator<char>(in), {});
}

Reference InDocument() {
  Reference reference;
  for (absl::string_view line : absl::StrSplit(Document(), '\n')) {
    if (!absl::StartsWith(line, "| `")) continue;
    const std::vector<std::string> cells =
        absl::StrSplit(absl::StrReplaceAll(line, {{"`", ""}}), '|');
    const auto cell = [&](size_t i) { return absl::StripAsciiWhitespace(cells[i]); };
    reference[std::string(cell(1))] = absl::StrCat(cell(2), ": ", cell(3));
  }
  return reference;
}

TEST(MetricsReference, DocumentAndCodeNameTheSameSeries) {
  const Reference code = InCode();
  EXPECT_GT(code.size(), 30U);
  EXPECT_EQ(InDocument(), code);
}

TEST(MetricsReference, WhatItsQueriesNameExists) {
  const Reference code = InCode();
  for (absl::string_view word :
       absl::StrSplit(Document(), absl::ByAnyChar(" \n()[]{}`<>=,/|*"), absl::SkipEmpty())) {
    if (!absl::StartsWith(word, "paci_") || word == "paci_") continue;
    for (const char* suffix : {"_bucket", "_sum", "_count"}) absl::ConsumeSuffix(&word, suffix);
    EXPECT_EQ(code.count(std::string(word)), 1U) << word;
  }
}

TEST(WorkerMetrics, AnIdleWorkerShowsItselfAndItsProcessOnly) {
  const std::string text =
      prometheus::TextSerializer().Serialize(WorkerMetrics([] { return std::nullopt; }).Collect());
  EXPECT_THAT(text, HasSubstr("\npaci_worker_busy 0\n"));
  EXPECT_THAT(text, HasSubstr("\nprocess_cpu_seconds_total "));
  EXPECT_THAT(text, Not(HasSubstr("stage=")));
}

TEST(WorkerMetrics, AWorkerShowsTheStageItHoldsWhenItIsAsked) {
  std::optional<std::pair<std::string, v1::StageStatus>> held;
  const WorkerMetrics metrics([&] { return held; });
  EXPECT_THAT(prometheus::TextSerializer().Serialize(metrics.Collect()),
              HasSubstr("\npaci_worker_busy 0\n"));
  held.emplace("demo-1", FullStatus());
  const std::string text = prometheus::TextSerializer().Serialize(metrics.Collect());
  EXPECT_THAT(text, HasSubstr("\npaci_worker_busy 1\n"));
  EXPECT_THAT(text, HasSubstr("\npaci_in_flight{job=\"demo-1\",stage=\"1\"} 2\n"));
}

}  // namespace
}  // namespace paci
