#pragma once

// What the controller knows of jobs, stages and workers. Plain values.

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/config/micro_batch_split.h"
#include "common/config/spec_over.h"
#include "common/config/stage_key.h"
#include "coordinator/job/effects.h"
#include "coordinator/job/failure.h"
#include "coordinator/job/fast_restart.h"
#include "coordinator/job/movement.h"
#include "coordinator/job/progress.h"
#include "coordinator/job/stage_count.h"
#include "paci/v1/worker.pb.h"

namespace paci {

// A command that was sent and not yet answered.
struct CommandInFlight {
  uint64_t id = 0;
  v1::Command command;
  absl::Time deadline = absl::InfiniteFuture();
};

// One stage of a placed job: what is known of it, and with that which command it needs next.
struct StageRecord {
  v1::StageStatus status;        // of its last report
  bool is_attached = false;      // its worker's stream is up
  bool is_told_to_stop = false;  // another stage failed, and this one is to keep its weights
  bool is_awaited = false;       // not since the coordinator started, and there is time left
  absl::Time lost_deadline = absl::InfiniteFuture();  // not attached: then it has failed
  uint64_t report_sequence = 0;
  absl::Time reported = absl::InfinitePast();  // its last report came
  uint64_t forgiven_skips = 0;  // of updates in a row: those before the job was resumed

  std::optional<v1::LayerCosts> costs;
  bool is_prepared = false;
  bool is_started = false;
  bool is_hold_confirmed = false;                // the hold of this pause is in force
  bool is_held = false;                          // and the stage is drained
  bool needs_resume = false;                     // it may be held, and the job is not to be
  bool has_all_points = false;                   // nothing is left that its worker has not reported
  std::map<uint64_t, v1::CheckpointPart> parts;  // by update; not yet committed
  std::optional<CommandInFlight> in_flight;
};

struct JobRecord {
  StoredJob stored;  // stored.job.stages is filled by ToProto only
  std::vector<StageRecord> stages;
  std::string secret;                      // of this generation
  std::optional<uint64_t> held_at_update;  // of this pause, as stage 0 said
  std::vector<FailureCause> failures;
  absl::Time failing_since = absl::InfiniteFuture();
  absl::Time replacement_deadline = absl::InfiniteFuture();  // while it waits for workers
  // How this generation goes on, or the one that is made now, in recovery.mode fast.
  std::optional<FastRestart> fast;
  bool has_new_checkpoint = false;  // committed, and nothing was decided about it yet
  // The store is older than what its workers run, as said here. Empty: it is not so.
  std::string newer_at_workers;
  RateWindow token_rate;
  MovementWatch movement;
  int poison_events = 0;

  v1::Job& job() { return stored.job; }
  const v1::Job& job() const { return stored.job; }
  const v1::JobSpec& spec() const { return stored.job.spec(); }
  // The spec of the stages that there are, and of their micro-batches.
  v1::JobSpec SpecOfGeneration() const { return SpecOver(InItsMicroBatches(job()), StageCount()); }
  uint32_t StageCount() const { return static_cast<uint32_t>(stages.size()); }
  // With so many stages it goes on at once when it waits for workers.
  uint32_t EnoughStages() const {
    return std::max(std::min(job().stage_count(), WantedStages(job())), 1u);
  }
  // Nothing is decided about it any more but its cancellation.
  bool is_left_alone() const { return !newer_at_workers.empty(); }
  v1::StageKey Key(uint32_t stage) const {
    v1::StageKey key;
    key.set_job_id(job().id());
    key.set_generation(job().generation());
    key.set_stage(stage);
    return key;
  }
  v1::Job ToProto() const {
    v1::Job proto = job();
    for (const StageRecord& stage : stages) *proto.add_stages() = stage.status;
    return proto;
  }
};

struct WorkerRecord {
  std::string id;
  std::string name;
  v1::WorkerInfo info;
  StreamId stream = 0;  // 0: none
  absl::Time connected;
  absl::Time last_seen;
  std::optional<v1::StageKey> holds;  // the stage of a job that has not ended
  // The stage that it was told to forget and has not said it did.
  std::optional<v1::StageKey> releasing;
  std::optional<CommandInFlight> release_in_flight;
  bool is_leaving = false;
  std::string leaving_reason;
  bool knows_it_leaves = false;  // it said so itself, or was told to when it was idle

  bool is_connected() const { return stream != 0; }
  bool is_free() const { return is_connected() && !holds && !releasing && !is_leaving; }
};

}  // namespace paci
