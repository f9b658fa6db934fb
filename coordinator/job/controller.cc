#include "coordinator/job/controller.h"

#include <google/protobuf/util/message_differencer.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/config/resumable.h"
#include "common/rpc/timestamp.h"
#include "common/text/short_duration.h"
#include "coordinator/job/cut_text.h"
#include "coordinator/job/drift_split.h"
#include "coordinator/job/progress.h"

namespace paci {

Controller::Controller(ControllerOptions options, StoreContents contents, absl::Time now)
    : options_(std::move(options)),
      submissions_(options_.submissions_at_once, options_.submissions_per_second),
      tracing_(options_.tracing),
      next_job_number_(contents.next_job_number),
      next_event_sequence_(contents.next_event_sequence),
      // Not those of an earlier coordinator, whose commands workers may still be answering.
      next_command_id_(static_cast<uint64_t>(absl::ToUnixMicros(now))),
      last_tick_(now) {
  for (StoredJob& stored : contents.jobs) {
    const std::string id = stored.job.id();
    job_order_[stored.number] = id;
    if (!stored.request_id.empty()) job_of_request_[stored.request_id] = id;
    JobRecord& record = jobs_[id];
    for (const v1::StageStatus& status : stored.job.stages()) {
      record.stages.emplace_back().status = status;
    }
    record.stored = std::move(stored);
    record.job().clear_stages();
    Adopt(record, now);
  }
}

// A job of the store, after a start of the coordinator. Nothing is known of its workers yet.
void Controller::Adopt(JobRecord& record, absl::Time now) {
  const v1::JobState state = record.job().state();
  if (record.job().stage_count() == 0) {
    record.job().set_stage_count(record.stages.empty() ? WantedStages(record.job())
                                                       : record.StageCount());
  }
  if (IsEnded(state)) return;
  if (state == v1::JOB_STATE_PLACING || state == v1::JOB_STATE_PREPARING) {
    Requeue(record, "the coordinator started again before the job ran; it is placed anew", now);
  }
  record.job().mutable_progress()->set_tokens_per_second(0);
  if (!IsPlaced(record.job().state()) || state == v1::JOB_STATE_RECOVERING) {
    return AdoptWaiting(record, now);
  }
  for (StageRecord& stage : record.stages) {
    stage.is_started = true;
    stage.is_prepared = true;
    // Whether it is held, its first report says.
    stage.needs_resume = false;
    stage.status.set_state(v1::STAGE_STATE_LOST);
    stage.status.set_error("it has not come back since the coordinator started again");
    stage.is_awaited = true;
    stage.lost_deadline = now + options_.adoption;
  }
  AddEvent(record, "CoordinatorStarted",
           absl::StrCat("the coordinator started again; the job's ", record.stages.size(),
                        " workers have ", ShortDuration(options_.adoption), " to come back"),
           now);
  MarkChanged(record);
}

// ... one that waits for workers. The store may be an older copy of one that has it running.
void Controller::AdoptWaiting(JobRecord& record, absl::Time now) {
  places_from_ = now + options_.redial;
  if (record.job().state() == v1::JOB_STATE_RECOVERING) {
    // What its workers kept in memory is not gone on from any more.
    const v1::Checkpoint* point = ResumePoint(record.job());
    ForgetAfter(record, point == nullptr ? 0 : point->update());
  }
  BeginWaiting(record, record.job().stage_count(), now);
  AddEvent(record, "CoordinatorStarted",
           absl::StrCat("the coordinator started again; no job is given workers before ",
                        ShortDuration(options_.redial),
                        " have passed, in which those that run one come back"),
           now);
  MarkChanged(record);
}

namespace {

absl::Status CheckResumeFrom(const v1::SubmitJobRequest& request) {
  const v1::Checkpoint& checkpoint = request.resume_from();
  if (checkpoint.directory().empty()) {
    return absl::InvalidArgumentError(
        "no folder is named to begin with; expected that of a complete checkpoint (--resume-from)");
  }
  if (request.spec().has_emulation()) {
    return absl::InvalidArgumentError(
        "an emulated job has no weights to begin with; expected no checkpoint (--resume-from)");
  }
  const uint64_t updates = request.spec().train().updates();
  if (checkpoint.update() < updates) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "the checkpoint to begin with (--resume-from) is of update ", checkpoint.update(),
      " and train.updates is ", updates, "; expected an earlier one, or more train.updates"));
}

}  // namespace

Controller::KnownCheckpoint Controller::FindCheckpoint(const std::string& directory) const {
  for (const auto& [id, record] : jobs_) {
    for (const v1::Checkpoint& checkpoint : record.job().checkpoints()) {
      if (checkpoint.directory() == directory) return {&record.job(), &checkpoint};
    }
  }
  return {};
}

absl::StatusOr<Controller::KnownCheckpoint> Controller::CheckResumePoint(
    const v1::SubmitJobRequest& request) const {
  if (!request.has_resume_from()) return KnownCheckpoint();
  if (absl::Status valid = CheckResumeFrom(request); !valid.ok()) return valid;
  const std::string& directory = request.resume_from().directory();
  const KnownCheckpoint known = FindCheckpoint(directory);
  if (known.job == nullptr) return known;
  const absl::Status same = CheckResumableBy(request.spec(), known.job->spec());
  if (same.ok()) return known;
  return absl::InvalidArgumentError(absl::StrCat("cannot go on from ", directory, " of job ",
                                                 known.job->id(), ": ", same.message()));
}

absl::StatusOr<v1::Job> Controller::Submit(const v1::SubmitJobRequest& request, absl::Time now) {
  if (const auto known = job_of_request_.find(request.request_id());
      !request.request_id().empty() && known != job_of_request_.end()) {
    const JobRecord& record = jobs_.at(known->second);
    using google::protobuf::util::MessageDifferencer;
    if (MessageDifferencer::Equals(record.spec(), request.spec()) &&
        MessageDifferencer::Equals(record.job().resumed_from(), request.resume_from())) {
      return record.ToProto();
    }
    return absl::InvalidArgumentError(
        absl::StrCat("request_id ", request.request_id(), " made job ", known->second,
                     " of another spec; use a new request_id for a new job"));
  }
  const absl::StatusOr<KnownCheckpoint> from = CheckResumePoint(request);
  if (!from.ok()) return from.status();
  if (jobs_.size() >= options_.max_jobs) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the store holds ", jobs_.size(),
                     " jobs, which is its limit; delete jobs that have ended"));
  }
  if (const std::optional<absl::Duration> wait = submissions_.Take(now)) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "more than ", options_.submissions_at_once, " jobs were submitted at once, and after that ",
        options_.submissions_per_second, " a second are taken; try again in ",
        absl::FormatDuration(absl::Ceil(*wait, absl::Milliseconds(10)))));
  }
  const uint64_t number = next_job_number_++;
  const std::string id = absl::StrCat(request.spec().name(), "-", number);
  JobRecord& record = jobs_[id];
  record.stored.number = number;
  record.stored.request_id = request.request_id();
  record.job().set_id(id);
  *record.job().mutable_spec() = request.spec();
  record.job().set_state(v1::JOB_STATE_PENDING);
  record.job().set_reason("submitted");
  record.job().set_stage_count(request.spec().pipeline().stages());
  *record.job().mutable_created() = ToTimestamp(now);
  SetUpdates(record.spec(), request.resume_from().update(), *record.job().mutable_progress());
  std::string begins;
  if (request.has_resume_from()) {
    *record.job().mutable_resumed_from() = request.resume_from();
    record.stored.settled_update = request.resume_from().update();
    begins = absl::StrCat("; it begins with ", request.resume_from().directory());
  }
  const SplitDecision first = from->job == nullptr
                                  ? DecideFirstSplit(request.spec(), nullptr, 0)
                                  : DecideFirstSplit(request.spec(), &from->job->spec(),
                                                     from->checkpoint->micro_batch_split());
  if (first.split > 1) record.job().set_micro_batch_split(first.split);
  if (!first.reason.empty()) absl::StrAppend(&begins, "; ", first.reason);
  job_order_[number] = id;
  if (!request.request_id().empty()) job_of_request_[request.request_id()] = id;
  AddEvent(record, "Submitted",
           absl::StrCat("submitted for ", request.spec().pipeline().stages(), " stages and ",
                        request.spec().train().updates(), " updates", begins),
           now);
  MarkChanged(record);
  Settle(now);
  return record.ToProto();
}

absl::StatusOr<v1::Job> Controller::ChangeByUser(const std::string& job_id, JobTrigger trigger,
                                                 absl::string_view reason, absl::Time now) {
  const absl::StatusOr<JobRecord*> record = Find(job_id);
  if (!record.ok()) return record.status();
  if ((*record)->is_left_alone() && trigger != JobTrigger::kCancel) {
    return absl::FailedPreconditionError((*record)->newer_at_workers);
  }
  const absl::StatusOr<JobTransition> transition =
      FindTransition(job_id, (*record)->job().state(), trigger);
  if (!transition.ok()) return transition.status();
  Change(**record, *transition, reason, now);
  Advance(**record, now);
  Settle(now);
  return (*record)->ToProto();
}

absl::StatusOr<v1::Job> Controller::WantPause(const std::string& job_id, bool is_wanted,
                                              absl::Time now) {
  JobRecord& record = jobs_.at(job_id);
  if (record.is_left_alone()) return absl::FailedPreconditionError(record.newer_at_workers);
  if (record.job().is_pause_wanted() == is_wanted) return record.ToProto();
  record.job().set_is_pause_wanted(is_wanted);
  // Why a job waits is said by what it waits for.
  if (is_wanted) {
    AddEvent(record, "PauseAsked", "paused by a user; it pauses as soon as it runs again", now);
  } else {
    AddEvent(record, "PauseWithdrawn", "resumed by a user before its pause began", now);
  }
  MarkChanged(record);
  return record.ToProto();
}

absl::StatusOr<v1::Job> Controller::Cancel(const std::string& job_id, absl::Time now) {
  absl::StatusOr<v1::Job> job = Get(job_id);
  if (!job.ok() || job->state() == v1::JOB_STATE_CANCELLED) return job;
  return ChangeByUser(job_id, JobTrigger::kCancel, "cancelled by a user", now);
}

absl::StatusOr<v1::Job> Controller::Pause(const std::string& job_id, absl::Time now) {
  absl::StatusOr<v1::Job> job = Get(job_id);
  if (!job.ok() || job->state() == v1::JOB_STATE_PAUSING || job->state() == v1::JOB_STATE_PAUSED) {
    return job;
  }
  if (WillRunAgain(*job)) return WantPause(job_id, true, now);
  return ChangeByUser(job_id, JobTrigger::kPause,
                      "paused by a user; the pipeline drains to the end of an update", now);
}

absl::StatusOr<v1::Job> Controller::Resume(const std::string& job_id, absl::Time now) {
  absl::StatusOr<v1::Job> job = Get(job_id);
  if (!job.ok() || job->state() == v1::JOB_STATE_RUNNING) return job;
  if (WillRunAgain(*job)) return WantPause(job_id, false, now);
  return ChangeByUser(job_id, JobTrigger::kResume, "resumed by a user", now);
}

absl::Status Controller::Delete(const std::string& job_id, absl::Time /*now*/) {
  const absl::StatusOr<JobRecord*> record = Find(job_id);
  if (!record.ok()) return record.status();
  if (!IsEnded((*record)->job().state())) {
    return absl::FailedPreconditionError(
        absl::StrCat("job ", job_id, " is ", ToString((*record)->job().state()),
                     ": it cannot be deleted before it has ended; cancel it first"));
  }
  job_order_.erase((*record)->stored.number);
  job_of_request_.erase((*record)->stored.request_id);
  changed_jobs_.erase(job_id);
  effects_.writes.deleted_jobs.push_back(job_id);
  Note(LogLevel::kInfo, "the job was deleted", job_id);
  jobs_.erase(job_id);
  return absl::OkStatus();
}

absl::StatusOr<JobRecord*> Controller::Find(const std::string& job_id) {
  const auto it = jobs_.find(job_id);
  if (it == jobs_.end())
    return absl::NotFoundError(absl::StrCat("there is no job \"", job_id, "\""));
  return &it->second;
}

void Controller::Change(JobRecord& record, const JobTransition& transition,
                        absl::string_view reason, absl::Time now) {
  v1::Job& job = record.job();
  job.set_state(transition.to);
  if (transition.to == v1::JOB_STATE_RUNNING) record.movement.Excuse();
  job.set_reason(CutText(reason));
  if (transition.to == v1::JOB_STATE_RUNNING && !job.has_started()) {
    *job.mutable_started() = ToTimestamp(now);
  }
  if (transition.trigger == JobTrigger::kPause) {
    record.held_at_update.reset();
    for (StageRecord& stage : record.stages) stage.is_hold_confirmed = stage.is_held = false;
  }
  AddEvent(record, transition.event, reason, now);
  MarkChanged(record);
  if (IsEnded(transition.to)) {
    *job.mutable_finished() = ToTimestamp(now);
    record.stored.pending_commit.clear();
    job.mutable_progress()->set_eta_seconds(0);
    ReleaseStages(record, reason, now);
  }
}

void Controller::Change(JobRecord& record, JobTrigger trigger, absl::string_view reason,
                        absl::Time now) {
  const absl::StatusOr<JobTransition> transition =
      FindTransition(record.job().id(), record.job().state(), trigger);
  if (!transition.ok()) {
    return Note(LogLevel::kError, std::string(transition.status().message()), record.job().id());
  }
  Change(record, *transition, reason, now);
}

void Controller::AddEvent(const JobRecord& record, absl::string_view type, absl::string_view reason,
                          absl::Time now) {
  v1::Event& event = effects_.writes.events.emplace_back();
  event.set_sequence(next_event_sequence_++);
  *event.mutable_time() = ToTimestamp(now);
  event.set_job_id(record.job().id());
  event.set_generation(record.job().generation());
  event.set_type(std::string(type));
  event.set_reason(CutText(reason));
}

void Controller::Note(LogLevel level, std::string message, absl::string_view job_id,
                      absl::string_view worker) {
  effects_.notes.push_back({level, std::move(message), std::string(job_id), std::string(worker)});
}

void Controller::Settle(absl::Time now) {
  LetGo(now);
  if (now < places_from_) return;
  PlaceRecoveringJobs(now);
  PlaceWaitingJobs(now);
}

void Controller::Tick(absl::Time now) {
  if (const absl::Duration gap = now - last_tick_; gap > options_.tick * 10) {
    // The coordinator itself stood still: what was said to it meanwhile is still to be read.
    Note(LogLevel::kWarning, absl::StrCat("the coordinator stood still for ", ShortDuration(gap),
                                          "; leases are extended"));
    for (auto& [id, worker] : registry_.workers()) worker.last_seen += gap;
    for (auto& [id, record] : jobs_) {
      for (StageRecord& stage : record.stages) {
        stage.lost_deadline += gap;
        stage.reported += gap;
      }
      record.movement.Skip(gap);
    }
  }
  last_tick_ = now;
  ExpireWorkers(now);
  ExpireGenerations(now);
  tracing_.Tick(now, SenderOfTraces(now));
  for (auto& [id, record] : jobs_) {
    if (!IsPlaced(record.job().state()) || record.is_left_alone()) continue;
    ExpireStages(record, now);
    FailIfStalled(record, now);
    Advance(record, now);
  }
  Settle(now);
}

Effects Controller::TakeEffects() {
  for (const std::string& id : changed_jobs_) {
    const JobRecord& record = jobs_.at(id);
    StoredJob stored = record.stored;
    stored.job = record.ToProto();
    effects_.writes.jobs.push_back(std::move(stored));
  }
  changed_jobs_.clear();
  effects_.traced = tracing_.TakeOutcomes();
  return std::exchange(effects_, Effects());
}

absl::StatusOr<v1::Job> Controller::Get(const std::string& job_id) const {
  const auto it = jobs_.find(job_id);
  if (it == jobs_.end())
    return absl::NotFoundError(absl::StrCat("there is no job \"", job_id, "\""));
  return it->second.ToProto();
}

std::vector<v1::Job> Controller::List() const {
  std::vector<v1::Job> jobs;
  for (auto it = job_order_.rbegin(); it != job_order_.rend(); ++it) {
    jobs.push_back(jobs_.at(it->second).ToProto());
  }
  return jobs;
}

std::vector<v1::Worker> Controller::Workers() const {
  std::vector<v1::Worker> workers;
  for (const auto& [id, worker] : registry_.workers()) workers.push_back(ToProto(worker));
  std::stable_sort(workers.begin(), workers.end(), [](const v1::Worker& a, const v1::Worker& b) {
    return ComesBefore(a.name(), b.name());
  });
  return workers;
}

}  // namespace paci
