// Every order of everything that can happen to a small job and its workers, with the real
// controller: see ExplorerWorld for what can happen and for the claims.
#include "tests/unit/coordinator/explorer.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"

namespace paci {
namespace {

void ExpectNoViolation(const ExplorerSetup& setup, const ExplorerBounds& bounds) {
  const ExplorerResult result = Explore(setup, bounds);
  std::cout << setup.stages << " stages, " << setup.workers << " workers, " << setup.updates
            << " updates, at most " << bounds.faults << " faults: " << result.states << " states, "
            << result.moves << " moves, up to " << result.depth << " deep, at most "
            << result.longest_end << " moves to the end\n";
  EXPECT_EQ(result.violation, "") << result.text;
  EXPECT_TRUE(!result.violation.empty() || result.is_exhaustive) << "the search gave up";
}

TEST(Explorer, OneStageTwoFaults) {
  ExpectNoViolation({.stages = 1, .workers = 2, .updates = 2, .keep = 1}, {.faults = 2});
}

TEST(Explorer, TwoStagesAndAStandbyOneFault) {
  ExpectNoViolation({.stages = 2, .workers = 3, .updates = 2, .keep = 2}, {.faults = 1});
}

ExplorerSetup Fast() {
  ExplorerSetup setup{.stages = 2, .workers = 2, .updates = 2};
  setup.is_fast = true;
  return setup;
}

// Survivors keep their weights; the stage that failed goes on from the checkpoint,
TEST(Explorer, FastOneFault) { ExpectNoViolation(Fast(), {.faults = 1}); }

// or from the copy at its neighbour.
TEST(Explorer, FastWithCopiesOneFaultAndPromptWorkers) {
  ExplorerSetup setup = Fast();
  setup.has_copies = setup.is_one_death_free = true;
  ExpectNoViolation(setup, {.faults = 1});
}

TEST(Explorer, AsManyFaultsAsAreAskedFor) {
  const char* const asked = std::getenv("PACI_EXPLORER_FAULTS");
  int faults = 0;
  if (asked == nullptr) GTEST_SKIP() << "PACI_EXPLORER_FAULTS is not set";
  ASSERT_TRUE(absl::SimpleAtoi(asked, &faults)) << "PACI_EXPLORER_FAULTS is not a number";
  ExpectNoViolation({.stages = 2, .workers = 2, .updates = 1, .keep = 1}, {.faults = faults});
  ExpectNoViolation({.stages = 1, .workers = 2, .updates = 3, .keep = 2}, {.faults = faults});
  ExplorerSetup fast = Fast();
  fast.updates = 1;
  ExpectNoViolation(fast, {.faults = faults, .max_states = 20'000'000});
  fast.updates = 2;
  fast.has_copies = true;
  ExpectNoViolation(fast, {.faults = 1});
}

// What is wrong on purpose is found, with a way there that says so.
void ExpectViolation(const ExplorerSetup& setup, int faults, absl::string_view claim) {
  const ExplorerResult result = Explore(setup, {.faults = faults});
  EXPECT_TRUE(absl::StrContains(result.violation, claim)) << result.text;
  EXPECT_FALSE(result.trace.empty());
}

TEST(Explorer, FindsAPartThatIsReportedBeforeItIsDurable) {
  ExplorerSetup setup{.stages = 1, .workers = 2, .updates = 2};
  setup.alter_heard = [](v1::WorkerMessage& message, const v1::Job&) {
    if (!message.has_report()) return;
    v1::StageReport& report = *message.mutable_report();
    report.add_checkpoints()->set_update(report.status().updates() + 1);
  };
  ExpectViolation(setup, 1, "not every part of this generation is durable");
}

TEST(Explorer, FindsAGenerationThatGoesOnFromTooOldACheckpoint) {
  ExplorerSetup setup{.stages = 1, .workers = 2, .updates = 3};
  setup.alter_said = [](v1::CoordinatorMessage& message, const v1::Job& job) {
    if (!message.command().has_prepare_stage() || job.checkpoints_size() < 2) return;
    *message.mutable_command()->mutable_prepare_stage()->mutable_resume_from() =
        job.checkpoints(job.checkpoints_size() - 2);
  };
  ExpectViolation(setup, 1, "a generation goes on from update 1, though the store knows");
}

TEST(Explorer, FindsACopyThatIsOlderThanItSays) {
  ExplorerSetup setup = Fast();
  setup.has_copies = setup.is_one_death_free = true;
  setup.alter_heard = [](v1::WorkerMessage& message, const v1::Job&) {
    if (!message.report().status().has_copy_update()) return;
    message.mutable_report()->mutable_status()->set_copy_update(2);
  };
  ExpectViolation(setup, 1, "begins with the state of update");
}

TEST(Explorer, FindsAStoreThatForgets) {
  ExplorerSetup setup{.stages = 1, .workers = 2};
  setup.forgets_last_write = true;
  ExpectViolation(setup, 2, "two workers hold");
}

}  // namespace
}  // namespace paci
