#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "coordinator/job/effects.h"
#include "coordinator/job/job_machine.h"
#include "coordinator/job/next_command.h"
#include "coordinator/job/queue.h"
#include "coordinator/job/rate_limit.h"
#include "coordinator/job/records.h"
#include "coordinator/job/recovery.h"
#include "coordinator/job/registry.h"
#include "coordinator/job/reshape.h"
#include "coordinator/job/tracing.h"
#include "paci/v1/job.pb.h"
#include "paci/v1/worker.pb.h"

namespace paci {

struct ControllerOptions {
  absl::Duration lease = absl::Seconds(5);  // silence after which a worker counts as lost
  absl::Duration report_interval = absl::Seconds(1);
  // After a start of the coordinator: how long a running job waits for its workers to come back.
  // They dial with a backoff of up to 5 s.
  absl::Duration adoption = absl::Seconds(20);
  // ... and no job is given workers for so long, if one of the store waits for some: a worker that
  // runs one, of which an older copy of the store does not know, has said so by then.
  absl::Duration redial = absl::Seconds(6);
  // From the first failure that is only a lost neighbour to the choice of the cause.
  absl::Duration failure_grace = absl::Seconds(2);
  // A worker that is lost and holds nothing is listed so long.
  absl::Duration forget_lost_worker = absl::Minutes(10);
  // Between two Ticks, at most; a longer gap was the coordinator's own and is no worker's silence.
  absl::Duration tick = absl::Milliseconds(100);
  CommandDeadlines commands;
  TracingOptions tracing;
  size_t max_jobs = 5000;            // in the store; a list of them fits into one message
  double submissions_at_once = 200;  // new jobs; after that
  double submissions_per_second = 5;
  size_t max_workers = 4096;    // known
  size_t max_generations = 64;  // Generate calls that wait
  // Makes the secret of a generation of a job: unpredictable, except in tests.
  std::function<std::string()> make_secret;
};

// The coordinator's decisions: what users and workers say goes in, with the time; what is to be
// done about it comes out of TakeEffects. Nothing a call returns may be told to anyone before the
// effects have been carried out. Single-threaded.
class Controller {
 public:
  Controller(ControllerOptions options, StoreContents contents, absl::Time now);

  // Users. The errors are those of JobService in job.proto. Each verb is idempotent: a job that is
  // already what it would make of it stays so.
  absl::StatusOr<v1::Job> Submit(const v1::SubmitJobRequest& request, absl::Time now);
  absl::StatusOr<v1::Job> Cancel(const std::string& job_id, absl::Time now);
  absl::StatusOr<v1::Job> Pause(const std::string& job_id, absl::Time now);
  absl::StatusOr<v1::Job> Resume(const std::string& job_id, absl::Time now);
  absl::Status Delete(const std::string& job_id, absl::Time now);
  // 0 stages: as many as its spec says.
  absl::StatusOr<v1::Job> Rescale(const std::string& job_id, uint32_t stages, absl::Time now);
  absl::StatusOr<v1::Worker> Drain(const std::string& worker, absl::Time now);
  // If OK, the outcome comes as an effect, at the latest a tick after `deadline`.
  absl::Status Generate(GenerateTicket ticket, const v1::GenerateRequest& request,
                        absl::Time deadline, absl::Time now);

  // If OK, the outcome comes as an effect, at the latest when the window and the patience of
  // TracingOptions are over.
  absl::Status Trace(TraceTicket ticket, const v1::TraceJobRequest& request, absl::Time now);
  // Its caller went away.
  void AbandonTrace(TraceTicket ticket);

  // Workers. Messages of a stream that is not the newest of its worker are ignored.
  void OnHello(StreamId stream, const v1::Hello& hello, absl::Time now);
  void OnMessage(StreamId stream, const v1::WorkerMessage& message, absl::Time now);
  void OnStreamLost(StreamId stream, absl::string_view why, absl::Time now);

  // Time passes. Called every `options.tick`.
  void Tick(absl::Time now);

  Effects TakeEffects();

  // Reads.
  absl::StatusOr<v1::Job> Get(const std::string& job_id) const;
  std::vector<v1::Job> List() const;  // newest first
  std::vector<v1::Worker> Workers() const;
  absl::StatusOr<v1::Diagnosis> Diagnose(const std::string& job_id, absl::Time now) const;
  // All that decisions are made of, for tests that compare it.
  const std::map<std::string, JobRecord>& jobs() const { return jobs_; }
  const Registry& registry() const { return registry_; }

 private:
  struct Generation {
    CommandInFlight command;
    GenerateTicket ticket;
    std::string worker_id;
  };

  // controller.cc: how jobs change.
  absl::StatusOr<JobRecord*> Find(const std::string& job_id);
  void Change(JobRecord& record, const JobTransition& transition, absl::string_view reason,
              absl::Time now);
  // The same for a transition that the caller knows to be legal.
  void Change(JobRecord& record, JobTrigger trigger, absl::string_view reason, absl::Time now);
  // That a job of the store keeps; null: none does.
  struct KnownCheckpoint {
    const v1::Job* job = nullptr;
    const v1::Checkpoint* checkpoint = nullptr;
  };
  KnownCheckpoint FindCheckpoint(const std::string& directory) const;
  // The one that a job is to begin with. An error: the spec of the job that keeps it does not fit
  // that of the new one. The workers look into others.
  absl::StatusOr<KnownCheckpoint> CheckResumePoint(const v1::SubmitJobRequest& request) const;
  // Of a job that will run again: whether it then pauses.
  absl::StatusOr<v1::Job> WantPause(const std::string& job_id, bool is_wanted, absl::Time now);
  absl::StatusOr<v1::Job> ChangeByUser(const std::string& job_id, JobTrigger trigger,
                                       absl::string_view reason, absl::Time now);
  void AddEvent(const JobRecord& record, absl::string_view type, absl::string_view reason,
                absl::Time now);
  void MarkChanged(const JobRecord& record) { changed_jobs_.insert(record.job().id()); }
  void Note(LogLevel level, std::string message, absl::string_view job_id = "",
            absl::string_view worker = "");
  void Adopt(JobRecord& record, absl::Time now);
  void AdoptWaiting(JobRecord& record, absl::Time now);
  // After every input: leaving workers, recovering jobs, then the queue.
  void Settle(absl::Time now);

  // controller_recovery.cc: from a failure to the next generation.
  void Recover(JobRecord& record, const RecoveryDecision& decision, absl::Time now);
  // Releases the stages and forgets what was done after the newest checkpoint. The job is
  // Recovering and goes on as soon as it has `enough` workers.
  void GoBack(JobRecord& record, absl::string_view reason, uint32_t enough, absl::Time now);
  // What was reported of updates after this one is computed again.
  void ForgetAfter(JobRecord& record, uint64_t update);
  static void BeginWaiting(JobRecord& record, uint32_t enough, absl::Time now);
  PlacingDecision DecidePlacingOf(const JobRecord& record, uint32_t had, size_t free,
                                  absl::Time now) const;
  // Whether a worker is about to give up a stage of the job, so that it is no replacement that the
  // job waits for.
  bool AwaitsItsOwn(const JobRecord& record, absl::Time now) const;
  void PlaceRecoveringJobs(absl::Time now);
  void PlaceAgain(JobRecord& record, const std::vector<WorkerRecord*>& free,
                  const PlacingDecision& decision, absl::Time now);
  // Makes a generation of `workers`, one a stage; their stages are as they are in `stages`.
  void BeginGeneration(JobRecord& record, const std::vector<WorkerRecord*>& workers,
                       std::vector<StageRecord> stages);

  // controller_fast.cc: recovery.mode fast.
  // Tells stages that still run to stop; whether there is one to wait for.
  bool AwaitSurvivors(JobRecord& record, absl::Time now);
  std::vector<StageRemains> RemainsOf(const JobRecord& record);
  // Releases the stages that failed; the others wait for their next generation.
  void KeepSurvivors(JobRecord& record, const FastRestart& fast, absl::string_view reason,
                     absl::Time now);
  // Whether the job goes on so, or waits to; else every stage goes back.
  bool GoOnFast(JobRecord& record, const std::vector<WorkerRecord*>& free, absl::Time now);

  // controller_stages.cc: how many stages a job has, and how many micro-batches an update.
  // Of Running, if a checkpoint was just committed and others than its workers are to go on.
  bool ReshapeIfDue(JobRecord& record, absl::Time now);
  // The same for a drift that wants other micro-batches.
  bool SplitIfDue(JobRecord& record, absl::Time now);
  // When a rescale takes effect, and what is missing for it.
  std::string WhenRescaled(const JobRecord& record);
  // Without what is kept for jobs that recover.
  WorkerSupply SupplyOf(const std::string& device);
  // Gives every stage its units; the reason of the partition.
  static absl::StatusOr<std::string> Divide(JobRecord& record);

  // controller_placement.cc: from Pending to Running, and the end.
  void PlaceWaitingJobs(absl::Time now);
  void Place(JobRecord& record, const PlacingDecision& decision, absl::string_view reason,
             absl::Time now);
  // Everything that follows from what is known of a placed job: its next state, its next commands.
  void Advance(JobRecord& record, absl::Time now);
  // Once it is known why stages have failed.
  bool FailOrRecover(JobRecord& record, absl::Time now);
  bool ChangeIfReady(JobRecord& record, absl::Time now);
  bool CompleteIfDone(JobRecord& record, absl::Time now);
  // Has the oldest checkpoint that every stage reported its part of committed, or gives it up.
  // Whether there was one.
  bool DecideCheckpoint(JobRecord& record, absl::Time now);
  void SendCommands(JobRecord& record, absl::Time now);
  void ReleaseStages(JobRecord& record, absl::string_view reason, absl::Time now);
  void ReleaseStage(JobRecord& record, uint32_t stage, absl::string_view reason, absl::Time now);
  // The worker that holds a stage of this generation; null: none.
  WorkerRecord* HolderOf(const JobRecord& record, uint32_t stage);
  // Back to Pending, with nothing held.
  void Requeue(JobRecord& record, absl::string_view reason, absl::Time now);

  // controller_workers.cc: what workers say.
  // The stage of a placed job that is this worker's.
  std::optional<v1::StageKey> AssignmentOf(const WorkerRecord& worker) const;
  // Not OK: the stage is newer than the store (older_store.h), the stream that said so is closed,
  // and the job, if it is known, stays as it is.
  absl::Status RefuseNewer(StreamId stream, const v1::StageKey& key, absl::Time now);
  // Whoever came before under its name and from its host, and is out of reach, has ended.
  void EndPredecessors(const v1::Hello& hello, absl::Time now);
  void WelcomeBack(WorkerRecord& worker, const v1::StageKey& key, const v1::Hello& hello,
                   absl::Time now);
  void Reattach(WorkerRecord& worker, const v1::Hello& hello, absl::Time now);
  void OnReport(WorkerRecord& worker, const v1::StageReport& report, absl::Time now);
  void ApplyReport(JobRecord& record, const v1::StageReport& report, absl::Time now);
  void OnLeaving(WorkerRecord& worker, const v1::Leaving& leaving, absl::Time now);
  void Lose(WorkerRecord& worker, absl::string_view why, absl::Time now);
  void Release(WorkerRecord& worker, const v1::StageKey& key, absl::string_view reason,
               absl::Time now);
  void ExpireWorkers(absl::Time now);
  void LetGo(absl::Time now);
  v1::CoordinatorMessage& Send(StreamId stream);
  CommandInFlight SendCommand(const WorkerRecord& worker, v1::Command command, absl::Time now);

  // controller_results.cc: answers to commands.
  void OnResult(WorkerRecord& worker, const v1::CommandResult& result, absl::Time now);
  void OnStageResult(JobRecord& record, uint32_t stage, const v1::CommandResult& result,
                     absl::Time now);
  void OnHoldResult(JobRecord& record, uint32_t stage, bool hold, const v1::CommandResult& result,
                    absl::Time now);
  void OnCommitResult(JobRecord& record, const v1::CommitCheckpoint& commit,
                      const v1::CommandResult& result, absl::Time now);
  // It is neither asked for nor reported again.
  void SettleCheckpoint(JobRecord& record, uint64_t update);
  void FailStage(JobRecord& record, uint32_t stage, FailureKind kind, absl::string_view what,
                 absl::Time now);
  // The worker of a stage that is out of reach does not come back.
  void LoseForGood(JobRecord& record, uint32_t stage, absl::string_view why, absl::Time now);
  void ExpireStages(JobRecord& record, absl::Time now);
  void ExpireGenerations(absl::Time now);
  void EndGenerations(const WorkerRecord& worker, absl::string_view why);
  bool EndGeneration(const WorkerRecord& worker, const v1::CommandResult& result);

  // controller_stalls.cc
  v1::Diagnosis DiagnosisOf(const JobRecord& record, absl::Time now) const;
  void FailIfStalled(JobRecord& record, absl::Time now);
  // After a report of the stage; `before`: the status that it took the place of.
  // Fails the last stage if it reads other tokens than the first.
  void CompareData(JobRecord& record, absl::Time now);
  void NoteSkips(JobRecord& record, uint32_t stage, const v1::StageStatus& before, absl::Time now);
  void PauseIfPoisoned(JobRecord& record, uint32_t stage, absl::Time now);

  // controller_traces.cc
  std::function<uint64_t(const std::string&, v1::Command)> SenderOfTraces(absl::Time now);

  const ControllerOptions options_;
  RateLimit submissions_;
  std::map<std::string, JobRecord> jobs_;              // by id
  std::map<uint64_t, std::string> job_order_;          // number -> id
  std::map<std::string, std::string> job_of_request_;  // request id -> job id
  Registry registry_;
  std::vector<Generation> generations_;
  Tracing tracing_;
  std::map<std::string, absl::Status> refused_jobs_;  // by id: only a newer store knows them
  uint64_t next_job_number_;
  uint64_t next_event_sequence_;
  uint64_t next_command_id_;
  absl::Time last_tick_;
  absl::Time places_from_ = absl::InfinitePast();  // no job is given workers before

  Effects effects_;
  std::set<std::string> changed_jobs_;
};

}  // namespace paci
