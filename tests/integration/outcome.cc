#include "tests/integration/outcome.h"

#include <gtest/gtest.h>

#include <fstream>

namespace paci {
namespace {

Outcome Read(const std::vector<v1::MetricPoint>& points, const v1::Job& job) {
  Outcome outcome;
  outcome.losses = Losses(points);
  for (const v1::MetricPoint& point : points) {
    if (point.has_validation_loss()) outcome.validation_losses.push_back(point.validation_loss());
  }
  std::ifstream manifest(job.checkpoint() + "/manifest.json");
  outcome.files = nlohmann::json::parse(manifest)["files"];
  return outcome;
}

}  // namespace

Outcome OutcomeOf(const LocalCluster& cluster, const std::string& job_id) {
  // A long job is waited for in steps, each with a patience of its own.
  constexpr uint64_t kStep = 500;
  const uint64_t updates = cluster.Get(job_id).spec().train().updates();
  for (uint64_t update = kStep; update < updates && !testing::Test::HasFailure(); update += kStep) {
    cluster.AwaitUpdates(job_id, update);
  }
  const std::vector<v1::MetricPoint> points = cluster.AwaitCompletion(job_id);
  return Read(points, cluster.Get(job_id));
}

Outcome OutcomeUpToLastCheckpoint(const LocalCluster& cluster, const std::string& job_id) {
  EXPECT_EQ(cluster.Pacictl({"cancel", job_id}).code, 0);
  cluster.AwaitState(job_id, v1::JOB_STATE_CANCELLED);
  const v1::Job job = cluster.Get(job_id);
  Outcome outcome = Read(cluster.Points(job_id), job);
  const size_t updates = job.checkpoints().empty() ? 0 : job.checkpoints().rbegin()->update();
  EXPECT_GE(outcome.losses.size(), updates);
  outcome.losses.resize(updates);
  outcome.validation_losses.clear();
  return outcome;
}

Outcome UndisturbedOutcome(const std::vector<std::string>& settings) {
  LocalCluster cluster({.workers = 3});
  return OutcomeOf(cluster, cluster.SubmitCheckpointed(settings));
}

}  // namespace paci
