#include "coordinator/job/fast_restart.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/unit/coordinator/small_spec.h"

namespace paci {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr auto kOwn = v1::STATE_SOURCE_OWN;
constexpr auto kNeighbour = v1::STATE_SOURCE_NEIGHBOUR;
constexpr auto kCheckpoint = v1::STATE_SOURCE_UNSPECIFIED;

v1::Job Job(uint64_t checkpoint = 0) {
  v1::Job job;
  *job.mutable_spec() = SmallSpec("a", 4, 100);
  job.set_generation(3);
  if (checkpoint > 0) job.add_checkpoints()->set_update(checkpoint);
  return job;
}

StageRemains Whole(uint64_t updates, std::optional<uint64_t> copy = std::nullopt) {
  return {true, updates, copy};
}
// What the coordinator last heard of it does not count.
StageRemains Gone() { return {false, 99, 99}; }

TEST(FastRestart, TheOldestOfWhatIsGoneOnFromSaysTheUpdate) {
  const auto restart = DecideFastRestart(Job(5), {Whole(41), Gone(), Whole(42, 40), Whole(42)});
  ASSERT_TRUE(restart.ok()) << restart.status();
  EXPECT_EQ(restart->generation, 3);
  EXPECT_EQ(restart->first_update, 40);
  EXPECT_THAT(restart->sources, ElementsAre(kOwn, kNeighbour, kOwn, kOwn));
  EXPECT_EQ(restart->LostStages(), 1);
}

TEST(FastRestart, TheLastStageIsKeptByTheFirst) {
  const auto restart = DecideFastRestart(Job(), {Whole(41, 42), Whole(41), Whole(42), Gone()});
  ASSERT_TRUE(restart.ok()) << restart.status();
  EXPECT_EQ(restart->first_update, 41);
  EXPECT_THAT(restart->sources, ElementsAre(kOwn, kOwn, kOwn, kNeighbour));
}

// The weights of a checkpoint are older than the update that the pipeline goes on from.
TEST(FastRestart, WithoutACopyAStageTakesTheCheckpointAndTheOthersDoNotGoBackToIt) {
  const auto restart = DecideFastRestart(Job(5), {Gone(), Whole(41), Whole(42), Whole(42)});
  ASSERT_TRUE(restart.ok()) << restart.status();
  EXPECT_EQ(restart->first_update, 41);
  EXPECT_THAT(restart->sources, ElementsAre(kCheckpoint, kOwn, kOwn, kOwn));
}

TEST(FastRestart, ACopyThatIsOlderThanTheCheckpointIsNotTaken) {
  const auto restart = DecideFastRestart(Job(40), {Gone(), Whole(41, 39), Whole(42), Whole(42)});
  ASSERT_TRUE(restart.ok()) << restart.status();
  EXPECT_EQ(restart->first_update, 41);
  EXPECT_THAT(restart->sources, ElementsAre(kCheckpoint, kOwn, kOwn, kOwn));
}

TEST(FastRestart, ACopyDiesWithItsKeeper) {
  const std::vector<StageRemains> remains = {Gone(), Gone(), Whole(42, 41), Whole(42)};
  const auto restart = DecideFastRestart(Job(5), remains);
  ASSERT_TRUE(restart.ok()) << restart.status();
  EXPECT_THAT(restart->sources, ElementsAre(kCheckpoint, kNeighbour, kOwn, kOwn));
  EXPECT_EQ(Describe(*restart, Job(5), remains),
            "all go on from update 41: stage 0 with update 5, its last checkpoint, stage 1 with "
            "the copy of update 41 that stage 2 keeps, the others with their own weights");
  EXPECT_THAT(DecideFastRestart(Job(), remains).status().message(), HasSubstr("of stage 0"));
}

TEST(FastRestart, ThereMustBeSomethingToKeepAndSomethingToDo) {
  EXPECT_THAT(DecideFastRestart(Job(5), {Gone(), Gone(), Gone(), Gone()}).status().message(),
              HasSubstr("no stage is left"));
  EXPECT_THAT(
      DecideFastRestart(Job(5), {Gone(), Whole(100), Whole(100), Whole(100)}).status().message(),
      HasSubstr("have finished"));
}

}  // namespace
}  // namespace paci
