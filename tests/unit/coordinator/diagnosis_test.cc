#include "coordinator/job/diagnosis.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_split.h"
#include "tests/unit/coordinator/script_status.h"
#include "tests/unit/coordinator/small_spec.h"

namespace paci {
namespace {

using testing::HasSubstr;

// One word a stage of script_status.h's language, or "finished", "lost", "silent", "held".
StageSight SightOf(uint32_t index, const std::string& line) {
  StageSight sight;
  sight.status.set_index(index);
  sight.status.set_worker_name("w" + std::to_string(index));
  sight.status.set_state(v1::STAGE_STATE_RUNNING);
  for (const absl::string_view part : absl::StrSplit(line, ' ', absl::SkipEmpty())) {
    const std::string word(part);
    if (word == "finished") sight.status.set_state(v1::STAGE_STATE_FINISHED);
    if (word == "lost") {
      sight.status.set_state(v1::STAGE_STATE_LOST);
      sight.status.set_error("its stream broke");
    }
    if (word == "silent") sight.report_age = absl::Seconds(7);
    if (word == "held") sight.is_held = true;
    const auto get = [&](const std::string& key) -> std::string {
      return absl::StartsWith(word, key + "=") ? word.substr(key.size() + 1) : "";
    };
    SetStanding(get, sight.status);
  }
  return sight;
}

JobSight JobOf(const std::vector<std::string>& stages) {
  JobSight job;
  job.spec = SmallSpec("a", static_cast<uint32_t>(stages.size()), 10);
  job.spec.mutable_pipeline()->set_accumulation(4);
  job.spec.mutable_train()->set_eval_batches(2);
  job.state = v1::JOB_STATE_RUNNING;
  job.silent_after = absl::Seconds(3);
  for (const std::string& line : stages) {
    job.stages.push_back(SightOf(static_cast<uint32_t>(job.stages.size()), line));
  }
  return job;
}

struct Case {
  const char* name;
  std::vector<std::string> stages;
  int cause;  // -1: none
  std::string summary;
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

class DiagnosisTable : public testing::TestWithParam<Case> {};

TEST_P(DiagnosisTable, NamesTheCause) {
  const v1::Diagnosis diagnosis = Diagnose(JobOf(GetParam().stages));
  EXPECT_EQ(diagnosis.summary(), GetParam().summary);
  EXPECT_EQ(diagnosis.has_cause() ? static_cast<int>(diagnosis.cause()) : -1, GetParam().cause);
  EXPECT_EQ(diagnosis.stages_size(), static_cast<int>(GetParam().stages.size()));
}

INSTANTIATE_TEST_SUITE_P(
    Of, DiagnosisTable,
    testing::Values(
        Case{"FirstHangs",
             {"passes=11/8 now=FORWARD/11/14", "passes=11/9 now=WAIT_ACTIVATION/11/13",
              "passes=11/11 now=WAIT_ACTIVATION/11/12"},
             0,
             "stage 0 on worker w0, for which the others wait, has been in the forward of "
             "micro-batch 11 for 14s"},
        Case{"MiddleHangs",
             {"passes=12/9 now=WAIT_GRADIENT/9/12", "passes=11/9 now=BACKWARD/9/14.4",
              "passes=11/11 now=WAIT_ACTIVATION/11/13"},
             1,
             "stage 1 on worker w1, for which the others wait, has been in the backward of "
             "micro-batch 9 for 14s"},
        Case{"LastHangs",
             {"passes=12/9 now=WAIT_GRADIENT/9/12", "passes=12/10 now=WAIT_GRADIENT/10/13",
              "passes=10/10 now=UPDATE/2/2.25"},
             2,
             "stage 2 on worker w2, for which the others wait, has been in update 2 for 2.3s"},
        Case{"SilentStage",
             {"passes=12/9 now=WAIT_GRADIENT/9/12", "silent passes=11/9 now=WAIT_GRADIENT/9/1",
              "passes=11/11 now=WAIT_ACTIVATION/11/13"},
             1,
             "stage 1 on worker w1, for which the others wait, has said nothing for 7s"},
        Case{"LostStage",
             {"lost", "passes=11/9 now=WAIT_ACTIVATION/11/1"},
             0,
             "stage 0 on worker w0, for which the others wait, is out of reach: its stream broke"},
        Case{"HalfOpenLinkDownwards",
             {"passes=12/9 now=WAIT_GRADIENT/9/12", "passes=11/9 now=WAIT_GRADIENT/9/12",
              "passes=9/9 now=WAIT_ACTIVATION/9/12"},
             2,
             "stage 2 on worker w2 does not get what stage 1 on worker w1 sends: it waits for the "
             "activation of micro-batch 9 from stage 1, which has sent it, for 12s, and stage 1 "
             "waits for the gradient of micro-batch 9 from stage 2, for 12s"},
        Case{"HalfOpenLinkUpwards",
             {"passes=12/9 now=WAIT_GRADIENT/9/12", "passes=12/10 now=WAIT_ACTIVATION/12/11"},
             0,
             "stage 0 on worker w0 does not get what stage 1 on worker w1 sends: it waits for the "
             "gradient of micro-batch 9 from stage 1, which has sent it, for 12s, and stage 1 "
             "waits for the activation of micro-batch 12 from stage 0, for 11s"},
        Case{"OutputDoesNotLeave",
             {"passes=12/9 now=WAIT_SEND/0/12", "passes=10/9 now=WAIT_ACTIVATION/12/11"},
             1,
             "stage 1 on worker w1 does not get what stage 0 on worker w0 sends: it waits for the "
             "activation of micro-batch 12 from stage 0, for 11s, and stage 0 waits until its "
             "output has left to stage 1, for 12s"},
        Case{"GradientDoesNotLeaveToOneThatHangs",
             {"passes=12/9 now=FORWARD/12/12", "passes=12/12 now=WAIT_SEND/0/11"},
             0,
             "stage 0 on worker w0, for which the others wait, has been in the forward of "
             "micro-batch 12 for 12s"},
        Case{"EvaluationHangs",
             {"passes=8/8 now=WAIT_GRADIENT/8/3", "passes=8/8 now=EVALUATE/1/14",
              "passes=8/8 now=WAIT_EVALUATION/1/13"},
             1,
             "stage 1 on worker w1, for which the others wait, has been in the validation of "
             "micro-batch 1 for 14s"},
        Case{"EvaluationIsLost",
             {"passes=8/8 now=EVALUATE/0/3", "passes=8/8 now=FORWARD/8/3",
              "passes=8/8 now=WAIT_EVALUATION/1/13"},
             2,
             "stage 2 on worker w2 does not get what stage 1 on worker w1 sends: it waits for the "
             "validation activation of micro-batch 1 from stage 1, which has sent it, for 13s, "
             "and stage 1 has been in the forward of micro-batch 8 for 3s"},
        Case{"FinishedNeighbour",
             {"finished passes=40/40", "passes=40/39 now=WAIT_ACTIVATION/40/12"},
             1,
             "stage 1 on worker w1 does not get what stage 0 on worker w0 sends: it waits for the "
             "activation of micro-batch 40 from stage 0, for 12s, and stage 0 has finished"},
        Case{"OneStage",
             {"passes=8/8 now=FORWARD/8/3"},
             0,
             "stage 0 on worker w0 has been in the forward of micro-batch 8 for 3s"},
        Case{"Paused", {"held", "held"}, -1, "no stage waits for another one"}),
    [](const auto& info) { return info.param.name; });

// Two chunks a stage, groups of two micro-batches: a stage's passes are 0.0 1.0 0.1 1.1 2.0 ...,
// and what enters the second chunk of the first stage comes from the last.
TEST(Diagnosis, AnInterleavedPipelineIsARing) {
  JobSight job = JobOf({"passes=2/0 now=WAIT_ACTIVATION/0/14/1", "passes=0/0 now=FORWARD/0/14/0"});
  job.spec.mutable_pipeline()->set_chunks(2);
  v1::Diagnosis diagnosis = Diagnose(job);
  EXPECT_EQ(diagnosis.stages(0).what(),
            "waits for the activation of micro-batch 0 in its chunk 1 from stage 1, for 14s");
  EXPECT_EQ(diagnosis.cause(), 1);
  // The other way round: gradients of the last stage's first chunk come from the first stage.
  job.stages[0] = SightOf(0, "passes=4/0 now=BACKWARD/1/3/1");
  job.stages[1] = SightOf(1, "passes=4/2 now=WAIT_GRADIENT/0/2/0");
  EXPECT_EQ(Diagnose(job).stages(1).what(),
            "waits for the gradient of micro-batch 0 in its chunk 0 from stage 0, for 2s");
  EXPECT_EQ(Diagnose(job).cause(), 0);
  job.stages[0] = SightOf(0, "passes=4/1 now=BACKWARD/1/3/1");
  diagnosis = Diagnose(job);
  EXPECT_THAT(diagnosis.stages(1).what(), HasSubstr("from stage 0, which has sent it"));
  EXPECT_EQ(diagnosis.cause(), 1);
}

TEST(Diagnosis, OfSeveralCausesTheOneThatTheMostWaitForIsTold) {
  const v1::Diagnosis diagnosis =
      Diagnose(JobOf({"passes=9/7 now=FORWARD/9/60", "passes=9/7 now=WAIT_GRADIENT/7/14",
                      "passes=9/7 now=WAIT_GRADIENT/7/14", "passes=8/7 now=FORWARD/8/14"}));
  EXPECT_EQ(diagnosis.cause(), 3);
}

TEST(Diagnosis, APipelineThatMovesOrIsNotToMoveHasNoCause) {
  JobSight job = JobOf({"passes=12/9 now=WAIT_GRADIENT/9/0.1", "passes=10/9 now=FORWARD/10/0.1"});
  job.is_moving = true;
  EXPECT_EQ(Diagnose(job).summary(), "the pipeline moves");
  EXPECT_FALSE(Diagnose(job).has_cause());
  EXPECT_EQ(Diagnose(job).stages(0).what(),
            "waits for the gradient of micro-batch 9 from stage 1, for 100ms");
  job.is_moving = false;
  job.state = v1::JOB_STATE_PAUSED;
  job.reason = "every stage is drained";
  EXPECT_EQ(Diagnose(job).summary(),
            "the job is Paused, it is not to move: every stage is drained");
  job.stages.clear();
  job.state = v1::JOB_STATE_PENDING;
  job.reason = "needs 2 workers, 1 is free";
  EXPECT_EQ(Diagnose(job).summary(),
            "the job is Pending, it is not to move: needs 2 workers, 1 is free");
  EXPECT_FALSE(Diagnose(job).has_cause());
}

TEST(Diagnosis, SaysHowOldItIsAndNotMoreThanTheReportsDo) {
  JobSight job = JobOf({"passes=12/9 now=WAIT_GRADIENT/9/10", "passes=10/9 now=FORWARD/10/12"});
  job.stages[0].report_age = absl::Seconds(2);
  job.stages[1].report_age = absl::Seconds(0.4);
  EXPECT_EQ(Diagnose(job).stages(0).what(),
            "waits for the gradient of micro-batch 9 from stage 1, for 10s");
  EXPECT_EQ(Diagnose(job).stages(0).report_age_seconds(), 2);
  EXPECT_EQ(Diagnose(job).summary(),
            "stage 1 on worker w1, for which the others wait, has been in the forward of "
            "micro-batch 10 for 12s, as of 400ms ago");
  job.is_moving = true;
  job.still_for = absl::Seconds(1.2);
  EXPECT_EQ(Diagnose(job).summary(), "the pipeline moves, as of 1.2s ago");
  // A link has two ends.
  job.is_moving = false;
  job.stages[1] = SightOf(1, "passes=9/9 now=WAIT_ACTIVATION/9/12");
  EXPECT_THAT(Diagnose(job).summary(), HasSubstr("for 10s, as of 2s ago"));
  // Of silence it is known how long it lasts.
  job.stages[1] = SightOf(1, "silent passes=9/9");
  EXPECT_THAT(Diagnose(job).summary(), testing::EndsWith("has said nothing for 7s"));
}

// What began to stand so the earliest, not what was reported the longest.
TEST(Diagnosis, OfStagesThatWaitForEachOtherTheAgesOfReportsCount) {
  JobSight job =
      JobOf({"passes=12/9 now=WAIT_GRADIENT/9/10", "passes=9/9 now=WAIT_ACTIVATION/12/11"});
  EXPECT_EQ(Diagnose(job).cause(), 1);
  job.stages[0].report_age = absl::Seconds(2);
  EXPECT_EQ(Diagnose(job).cause(), 0);
}

TEST(Diagnosis, AStageForWhichNobodyWaitsIsNotSaidToBeAwaited) {
  const v1::Diagnosis diagnosis =
      Diagnose(JobOf({"passes=9/9 now=FORWARD/9/3", "passes=9/9 now=FORWARD/9/2"}));
  EXPECT_EQ(diagnosis.summary(),
            "stage 0 on worker w0 has been in the forward of micro-batch 9 for 3s");
}

}  // namespace
}  // namespace paci
