// Whatever workers and users do, in whatever order: see ClusterModel::Check and Settle.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <vector>

#include "tests/unit/coordinator/cluster_model.h"

namespace paci {
namespace {

TEST(ControllerProperty, TheClaimsHoldWhateverHappensAndNothingIsStuckAfterwards) {
  size_t completed = 0;
  size_t completed_after_a_restart = 0;
  size_t rescalings = 0;
  size_t splits = 0;
  size_t shrunk = 0;
  EXPECT_TRUE(rc::check([&] {
    ClusterModel model(*rc::gen::inRange<size_t>(1, 5));
    const auto choices = *rc::gen::resize(
        800, rc::gen::container<std::vector<uint32_t>>(rc::gen::inRange<uint32_t>(0, 1 << 20)));
    for (const uint32_t choice : choices) model.Step(choice);
    if (model.broken().empty()) model.Settle();
    if (!model.broken().empty()) RC_FAIL(model.broken());
    completed += model.jobs_completed();
    completed_after_a_restart += model.jobs_completed_after_a_restart();
    rescalings += model.rescalings();
    splits += model.splits();
    shrunk += model.jobs_seen_shrunk();
  }));
  EXPECT_GT(completed_after_a_restart, 20U) << "the model hardly restarts anything";
  EXPECT_GT(rescalings, 20U) << "the model hardly rescales anything";
  EXPECT_GT(splits, 20U) << "the model hardly changes micro-batches";
  EXPECT_GT(shrunk, 5U) << "the model hardly makes do with fewer workers";
  EXPECT_GT(completed, 50U) << "the model hardly does anything";
}

}  // namespace
}  // namespace paci
