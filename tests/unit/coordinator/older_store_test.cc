// A coordinator whose store was put back from an older copy: it does not undo what the workers have
// done since.
#include "coordinator/job/older_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "coordinator/job/controller.h"
#include "tests/unit/coordinator/small_spec.h"

namespace paci {
namespace {

using testing::HasSubstr;

v1::StageKey Key(const std::string& job_id, uint64_t generation, uint32_t stage) {
  v1::StageKey key;
  key.set_job_id(job_id);
  key.set_generation(generation);
  key.set_stage(stage);
  return key;
}

v1::Job JobOf(v1::JobState state, uint64_t generation) {
  v1::Job job;
  job.set_state(state);
  job.set_generation(generation);
  return job;
}

TEST(CheckStoreKnows, OnlyWhatTheStoreHasComeTo) {
  const v1::Job job = JobOf(v1::JOB_STATE_RUNNING, 2);
  EXPECT_TRUE(CheckStoreKnows(Key("a-1", 2, 0), &job, 5).ok());
  EXPECT_TRUE(CheckStoreKnows(Key("a-1", 1, 0), &job, 5).ok());
  const absl::Status newer = CheckStoreKnows(Key("a-1", 3, 0), &job, 5);
  EXPECT_EQ(newer.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(newer.message(), HasSubstr("stage 0 of job a-1, generation 3"));
  EXPECT_THAT(newer.message(), HasSubstr("cancel the job"));

  const v1::Job ended = JobOf(v1::JOB_STATE_CANCELLED, 2);
  EXPECT_TRUE(CheckStoreKnows(Key("a-1", 3, 0), &ended, 5).ok());
  EXPECT_TRUE(CheckStoreKnows(Key("a-4", 1, 0), nullptr, 5).ok()) << "it was deleted";
  EXPECT_EQ(CheckStoreKnows(Key("a-5", 1, 0), nullptr, 5).code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST(NumberOfJob, IsBehindTheLastDash) {
  EXPECT_EQ(NumberOfJob("long-name-12"), 12);
  EXPECT_EQ(NumberOfJob("name"), 0);
  EXPECT_EQ(NumberOfJob("name-x"), 0);
  EXPECT_EQ(NumberOfJob("name-18446744073709551615"), 0);
}

class OlderStore : public testing::Test {
 protected:
  // A coordinator on a store with the job a-1 in this state, one stage, of worker w0, generation 1.
  void Start(v1::JobState state) {
    StoredJob stored;
    stored.number = 1;
    stored.job = JobOf(state, 1);
    stored.job.set_id("a-1");
    *stored.job.mutable_spec() = SmallSpec("a", 1, 10);
    stored.job.mutable_spec()->mutable_recovery()->set_max_restarts(5);
    stored.job.mutable_spec()->mutable_recovery()->set_window_seconds(600);
    stored.job.mutable_spec()->mutable_recovery()->set_replacement_seconds(1);
    stored.job.add_stages()->set_worker_id("w0");
    ControllerOptions options;
    options.make_secret = [] { return "secret"; };
    controller_.emplace(options, StoreContents{{stored}, 2, 1}, now_);
  }

  // What comes of it.
  Effects Hello(StreamId stream, const std::string& worker, std::optional<v1::StageKey> holds) {
    v1::WorkerMessage message;
    message.mutable_hello()->set_worker_id(worker);
    message.mutable_hello()->set_worker_name(worker);
    message.mutable_hello()->mutable_info()->set_device("cpu");
    if (holds) {
      v1::StageReport& running = *message.mutable_hello()->mutable_running();
      *running.mutable_key() = *holds;
      running.set_sequence(1);
      running.mutable_status()->set_state(v1::STAGE_STATE_RUNNING);
    }
    controller_->OnMessage(stream, message, now_);
    return controller_->TakeEffects();
  }

  Effects PassTime(absl::Duration time) {
    Effects all;
    for (const absl::Time end = now_ + time; now_ < end;) {
      now_ += absl::Milliseconds(100);
      controller_->Tick(now_);
      const Effects effects = controller_->TakeEffects();
      all.messages.insert(all.messages.end(), effects.messages.begin(), effects.messages.end());
      all.writes.events.insert(all.writes.events.end(), effects.writes.events.begin(),
                               effects.writes.events.end());
    }
    return all;
  }

  static bool IsRefused(const Effects& effects, StreamId stream) {
    return std::any_of(effects.closed.begin(), effects.closed.end(), [&](const ClosedStream& c) {
      return c.stream == stream && absl::IsFailedPrecondition(c.reason);
    });
  }
  static size_t CountEvents(const Effects& effects, const std::string& type) {
    return std::count_if(effects.writes.events.begin(), effects.writes.events.end(),
                         [&](const v1::Event& event) { return event.type() == type; });
  }

  absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
  std::optional<Controller> controller_;
};

TEST_F(OlderStore, AStageOfALaterGenerationIsLeftAloneAndItsJobStaysAsItIs) {
  for (const v1::JobState state :
       {v1::JOB_STATE_PENDING, v1::JOB_STATE_RECOVERING, v1::JOB_STATE_RUNNING,
        v1::JOB_STATE_PREPARING, v1::JOB_STATE_PAUSED}) {
    SCOPED_TRACE(v1::JobState_Name(state));
    Start(state);
    const Effects refused = Hello(1, "w0", Key("a-1", 3, 0));
    EXPECT_TRUE(IsRefused(refused, 1));
    EXPECT_TRUE(refused.messages.empty()) << refused.messages[0].message.DebugString();
    EXPECT_EQ(CountEvents(refused, "StoreIsOlder"), 1);
    const v1::JobState kept = controller_->Get("a-1")->state();

    const Effects again = Hello(2, "w0", Key("a-1", 3, 0));
    EXPECT_TRUE(IsRefused(again, 2));
    EXPECT_EQ(CountEvents(again, "StoreIsOlder"), 0);

    // Neither a free worker nor time make it go on, or end.
    Hello(3, "w1", std::nullopt);
    const Effects later = PassTime(absl::Minutes(2));
    for (const OutgoingMessage& outgoing : later.messages) {
      EXPECT_FALSE(outgoing.message.has_command()) << outgoing.message.DebugString();
    }
    EXPECT_TRUE(later.writes.events.empty()) << later.writes.events[0].DebugString();
    EXPECT_EQ(controller_->Get("a-1")->state(), kept);
    EXPECT_EQ(controller_->Get("a-1")->generation(), 1);
    EXPECT_THAT(controller_->Get("a-1")->reason(), HasSubstr("an older copy"));
  }
}

// Whoever runs it dials again within the longest delay of a worker's backoff, 5 s.
TEST_F(OlderStore, AJobThatWaitsIsNotPlacedBeforeWhoRunsItHadTimeToComeBack) {
  const auto prepares = [](const Effects& effects) {
    return std::any_of(effects.messages.begin(), effects.messages.end(), [](const auto& outgoing) {
      return outgoing.message.command().has_prepare_stage();
    });
  };
  for (const v1::JobState state :
       {v1::JOB_STATE_PENDING, v1::JOB_STATE_RECOVERING, v1::JOB_STATE_PREPARING}) {
    SCOPED_TRACE(v1::JobState_Name(state));
    Start(state);
    EXPECT_FALSE(prepares(Hello(1, "w1", std::nullopt)));
    EXPECT_FALSE(prepares(PassTime(absl::Seconds(4.9))));
    EXPECT_FALSE(prepares(Hello(2, "w2", std::nullopt)));
    EXPECT_TRUE(IsRefused(Hello(3, "w0", Key("a-1", 3, 0)), 3));
    EXPECT_FALSE(prepares(PassTime(absl::Seconds(4))));
    EXPECT_EQ(controller_->Get("a-1")->generation(), 1);
    // When nobody comes with a newer one, the store is not older.
    Start(state);
    PassTime(absl::Seconds(2));
    EXPECT_FALSE(prepares(Hello(4, "w1", std::nullopt)));
    EXPECT_TRUE(prepares(PassTime(absl::Seconds(4.1))));
    EXPECT_EQ(controller_->Get("a-1")->generation(), 2);
  }
}

TEST_F(OlderStore, AReportOfALaterGenerationEndsItsStream) {
  Start(v1::JOB_STATE_RUNNING);
  Hello(1, "w0", Key("a-1", 1, 0));
  v1::WorkerMessage message;
  *message.mutable_report()->mutable_key() = Key("a-1", 2, 0);
  controller_->OnMessage(1, message, now_);
  EXPECT_TRUE(IsRefused(controller_->TakeEffects(), 1));
  PassTime(absl::Minutes(1));
  EXPECT_EQ(controller_->Get("a-1")->state(), v1::JOB_STATE_RUNNING);
}

TEST_F(OlderStore, AWorkerWithoutItsStageDoesNotMakeTheJobRecover) {
  Start(v1::JOB_STATE_RUNNING);
  EXPECT_TRUE(IsRefused(Hello(1, "w1", Key("a-1", 2, 0)), 1));
  Hello(2, "w0", std::nullopt);
  EXPECT_EQ(controller_->Get("a-1")->state(), v1::JOB_STATE_RUNNING);
}

TEST_F(OlderStore, TheUserMayOnlyCancelTheJobAndThenItsStagesAreReleased) {
  Start(v1::JOB_STATE_RUNNING);
  Hello(1, "w0", Key("a-1", 2, 0));
  const absl::Status paused = controller_->Pause("a-1", now_).status();
  EXPECT_EQ(paused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(paused.message(), HasSubstr("an older copy"));
  EXPECT_TRUE(controller_->Cancel("a-1", now_).ok());
  controller_->TakeEffects();
  const Effects effects = Hello(2, "w0", Key("a-1", 2, 0));
  ASSERT_EQ(effects.messages.size(), 2);
  EXPECT_TRUE(effects.messages[0].message.welcome().release_stage());
  EXPECT_EQ(effects.messages[1].message.command().release_stage().key().generation(), 2);
}

TEST_F(OlderStore, ANewJobDoesNotTakeTheIdOfOneThatTheStoreHasNotComeTo) {
  Start(v1::JOB_STATE_RUNNING);
  EXPECT_TRUE(IsRefused(Hello(1, "w7", Key("a-5", 1, 0)), 1));
  v1::SubmitJobRequest request;
  *request.mutable_spec() = SmallSpec("a", 1, 10);
  EXPECT_EQ(controller_->Submit(request, now_)->id(), "a-6");
  EXPECT_TRUE(IsRefused(Hello(2, "w7", Key("a-5", 1, 0)), 2));
}

}  // namespace
}  // namespace paci
