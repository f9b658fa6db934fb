#include "common/simulator/planner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "common/schedule/presets.h"
#include "tests/unit/config/valid_spec.h"

namespace paci {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// Four equal stages: a forward takes 1 ms, a backward 2 ms.
v1::JobSpec EmulatedSpec() {
  v1::JobSpec spec = ValidSpec();
  spec.mutable_pipeline()->set_stages(4);
  spec.mutable_pipeline()->set_accumulation(8);
  v1::EmulationSpec* emulation = spec.mutable_emulation();
  emulation->set_forward_seconds(0.001);
  emulation->set_backward_seconds(0.002);
  emulation->set_weights_seconds(0.001);
  return spec;
}

Plan PlanOf(const v1::JobSpec& spec, const PlanRequest& request) {
  absl::StatusOr<Plan> plan = MakePlan(spec, request);
  EXPECT_TRUE(plan.ok()) << plan.status();
  return plan.ok() ? *std::move(plan) : Plan();
}

TEST(Planner, ComparesSchedulesByTheirClosedForms) {
  const v1::JobSpec spec = EmulatedSpec();
  const Plan plan = PlanOf(spec, {{4}, {"1f1b", "zb-h1", "paci"}, {8}});
  ASSERT_EQ(plan.choices.size(), 3u);
  EXPECT_EQ(plan.choices[0].key.schedule, "paci");
  EXPECT_NEAR(plan.choices[0].share_of_limit, 1, 1e-9);
  EXPECT_NEAR(plan.choices[0].bubble_share, 0, 1e-9);
  EXPECT_EQ(plan.choices[0].lag_max, 1);
  EXPECT_NEAR(plan.choices[1].share_of_limit, 24.0 / 27, 1e-9);  // zb-h1
  EXPECT_NEAR(plan.choices[2].share_of_limit, 8.0 / 11, 1e-9);   // 1f1b
  EXPECT_NEAR(plan.choices[2].bubble_share, 3.0 / 11, 1e-9);
  EXPECT_EQ(plan.choices[2].lag_max, 0);
  const double tokens = spec.pipeline().micro_batch() * spec.model().context();
  EXPECT_NEAR(plan.choices[0].tokens_per_second, tokens / 0.003, 1e-6);
  EXPECT_EQ(plan.recommended, 0u);
  EXPECT_EQ(plan.reason,
            "paci, 4 stages, accumulation 8 is 12% faster than zb-h1, 4 stages, accumulation 8");
  EXPECT_EQ(plan.costs, "the job's emulation");
}

// Of eight simulated updates four: three of them begin with a fill of three micro-batches.
TEST(Planner, FlushesTheShareOfUpdatesThatTheJobDoes) {
  v1::JobSpec spec = EmulatedSpec();
  spec.mutable_pipeline()->set_flush_first(spec.train().updates() / 2);
  const Plan plan = PlanOf(spec, {{4}, {"1f1b", "paci", "pipedream-2bw"}, {8}});
  ASSERT_EQ(plan.choices.size(), 3u);
  EXPECT_EQ(plan.choices[0].key.schedule, "pipedream-2bw");
  EXPECT_EQ(plan.choices[1].key.schedule, "paci");
  EXPECT_NEAR(plan.choices[1].share_of_limit, 7 * 8.0 / (7 * 8 + 3 * 3), 1e-9);
  EXPECT_NEAR(plan.choices[2].share_of_limit, 8.0 / 11, 1e-9);
}

TEST(Planner, SkipsWhatTheJobFileForbidsAndSaysWhy) {
  const Plan plan = PlanOf(EmulatedSpec(), {{4, 7}, {"paci", "async"}, {8}});
  ASSERT_EQ(plan.choices.size(), 1u);
  ASSERT_EQ(plan.skipped.size(), 3u);
  EXPECT_EQ(ToString(plan.skipped[0].key), "async, 4 stages, accumulation 8");
  EXPECT_THAT(plan.skipped[0].reason, HasSubstr("schedule async updates after every backward"));
  EXPECT_THAT(plan.skipped[1].reason,
              StartsWith("pipeline.stages: 7 stages are more than the 6 units"));
  EXPECT_EQ(plan.reason, "paci, 4 stages, accumulation 8 is the only choice");
}

TEST(Planner, RefusesASchedulesNameThatIsNone) {
  const absl::Status status = MakePlan(EmulatedSpec(), {{4}, {"pacy"}, {8}}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()),
              StartsWith("no schedule is called \"pacy\"; there are: paci, 1f1b, gpipe, "));
}

TEST(Planner, KnowsEverySchedule) {
  PlanRequest request{{4}, {}, {8}};
  for (const Preset& preset : Presets()) request.schedules.emplace_back(preset.name);
  v1::JobSpec spec = EmulatedSpec();
  spec.mutable_model()->set_layers(8);  // interleaved cuts them into 8 parts
  const Plan plan = PlanOf(spec, request);
  EXPECT_EQ(plan.choices.size(), Presets().size() - 1);  // async
}

TEST(Planner, CountsTheCopiesAndActivationsOfEachSchedule) {
  const v1::JobSpec spec = EmulatedSpec();
  const auto memory = [&](const std::string& schedule) {
    return PlanOf(spec, {{4}, {schedule}, {1}}).choices.at(0).memory;
  };
  EXPECT_EQ(memory("paci").copies_bytes, 0);
  EXPECT_EQ(memory("pipedream-2bw").copies_bytes, memory("paci").weights_bytes);
  EXPECT_GT(memory("pipedream").copies_bytes, memory("pipedream-2bw").copies_bytes);
  const StageMemory paci = PlanOf(spec, {{4}, {"paci"}, {8}}).choices.at(0).memory;
  const StageMemory gpipe = PlanOf(spec, {{4}, {"gpipe"}, {8}}).choices.at(0).memory;
  EXPECT_GT(gpipe.activations_bytes, 2 * paci.activations_bytes);  // 8 held instead of 4 to 1
}

TEST(Planner, RecommendsWhatFits) {
  const v1::JobSpec spec = EmulatedSpec();
  PlanRequest request{{4}, {"paci", "1f1b"}, {8}};
  const int64_t needed = PlanOf(spec, request).choices[0].memory.TotalBytes();
  request.device_memory_bytes = needed;
  EXPECT_TRUE(PlanOf(spec, request).choices[0].fits);
  request.device_memory_bytes = needed - 1;
  const Plan plan = PlanOf(spec, request);
  EXPECT_FALSE(plan.choices[0].fits);
  EXPECT_EQ(plan.recommended, std::nullopt);
}

TEST(Planner, BalancesStagesByMeasuredCosts) {
  const v1::JobSpec spec = ValidSpec();  // four blocks
  PlanRequest request{{2}, {"paci"}, {8}};
  request.measured = UnitSeconds{{0, 1, 1, 1, 1, 4}, {0, 2, 2, 2, 2, 8}, {0, 1, 1, 1, 1, 4}, {}};
  request.measured->update_seconds.assign(6, 0);
  const Plan plan = PlanOf(spec, request);
  ASSERT_EQ(plan.choices.size(), 1u);
  // The blocks in one stage, the head in the other: 12 each.
  EXPECT_EQ(plan.choices[0].costs.stages[0].forward_seconds, 4);
  EXPECT_EQ(plan.choices[0].costs.stages[1].forward_seconds, 4);
  EXPECT_NEAR(plan.choices[0].bubble_share, 0, 1e-9);
}

TEST(Planner, CountsTheTimeOfLinks) {
  PlanRequest request{{2}, {"paci"}, {4}};
  request.link.latency_seconds = 0.002;
  const Plan plan = PlanOf(EmulatedSpec(), request);
  // Two stages share four stages' work: 6 ms, and 2 (N - 1) / N links.
  EXPECT_NEAR(plan.choices[0].share_of_limit, 6.0 / 8, 1e-9);
}

TEST(Planner, TheLimitCountsAStraggler) {
  v1::JobSpec spec = EmulatedSpec();
  spec.mutable_pipeline()->set_order(v1::ORDER_STRICT);
  PlanRequest request{{4}, {"paci", "1f1b"}, {8}};
  request.slowdowns = {{3, 1.5}};
  const Plan plan = PlanOf(spec, request);
  const double tokens = spec.pipeline().micro_batch() * spec.model().context();
  EXPECT_EQ(plan.choices[0].key.schedule, "paci");
  EXPECT_NEAR(plan.choices[0].tokens_per_second, tokens / 0.0045, 1e-6);
  EXPECT_NEAR(plan.choices[0].share_of_limit, 1, 1e-9);
  // Of four stages' time, three of which wait for the slow one.
  EXPECT_NEAR(plan.choices[0].bubble_share, 1 - (1.5 + 3) / (4 * 1.5), 1e-9);
  // A flush: a times the slow stage, and once through the others.
  EXPECT_NEAR(plan.choices[1].share_of_limit, 8 * 4.5 / (8 * 4.5 + 3 * 3), 1e-9);
}

TEST(Planner, AStragglerIsOneOfTheStages) {
  PlanRequest request{{4, 2}, {"paci"}, {8}};
  request.slowdowns = {{2, 1.5}};
  const absl::Status status = MakePlan(EmulatedSpec(), request).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "straggler 2: expected a stage in 0..1 of a pipeline of 2");
}

TEST(Planner, JitterSlowsAPipelineDown) {
  PlanRequest request{{4}, {"paci"}, {8}};
  const auto share = [&](double deviation) {
    request.jitter = {.kind = Jitter::Kind::kLognormal, .relative_deviation = deviation};
    return PlanOf(EmulatedSpec(), request).choices[0].share_of_limit;
  };
  EXPECT_NEAR(share(0), 1, 1e-9);
  EXPECT_LT(share(0.05), 0.995);
  EXPECT_LT(share(0.2), share(0.05));
}

}  // namespace
}  // namespace paci
