// What must hold whatever happens to the cluster of cluster_model.h, and in the end.
#include "absl/strings/str_cat.h"
#include "tests/unit/coordinator/cluster_model.h"
#include "tests/unit/coordinator/small_spec.h"

namespace paci {

// Every unit has one stage, the spec is of as many as there are, and the batch is the job's.
void ClusterModel::CheckPartition(const v1::PrepareStage& command) {
  uint32_t units = 0;
  for (const v1::StageAssignment& assignment : command.assignments()) {
    for (const v1::UnitRange& chunk : assignment.chunks()) {
      if (chunk.first_unit() != units) Break("the units of the stages have a gap");
      units = chunk.end_unit();
    }
  }
  if (units != command.spec().model().layers() + 2) Break("a unit belongs to no stage");
  if (command.spec().pipeline().stages() != static_cast<uint32_t>(command.assignments_size())) {
    Break("a worker is told of another number of stages than there are");
  }
  const v1::PipelineSpec& pipeline = command.spec().pipeline();
  const uint64_t number = std::stoul(command.key().job_id().substr(2));
  const v1::PipelineSpec& of_job = stored_jobs_.at(number).job.spec().pipeline();
  if (pipeline.accumulation() * pipeline.micro_batch() !=
      of_job.accumulation() * of_job.micro_batch()) {
    Break("micro-batches that change, change the batch");
  }
}

void ClusterModel::CheckStages(const v1::Job& job) {
  const auto stages = static_cast<uint32_t>(job.stages_size());
  if (!ProblemOfStages(job.spec(), stages).empty()) Break("a placed job breaks a rule");
  if (rescaled_.count(job.id()) > 0) return;
  const uint32_t of_spec = job.spec().pipeline().stages();
  if (stages < FewestStages(job.spec(), of_spec) || stages > of_spec) {
    Break(absl::StrCat(job.id(), " has ", stages, " stages, which nobody asked for"));
  }
  if (stages < of_spec) shrunk_.insert(job.id());
}

void ClusterModel::Check() {
  std::map<std::string, std::string> holder;  // worker id -> job
  for (const v1::Job& job : controller_->List()) {
    const bool is_recovering = job.state() == v1::JOB_STATE_RECOVERING;
    if (IsPlaced(job.state())) {
      for (const v1::StageStatus& stage : job.stages()) {
        if (is_recovering) continue;
        if (!holder.emplace(stage.worker_id(), job.id()).second) {
          Break(absl::StrCat(stage.worker_id(), " holds two stages"));
        }
      }
      CheckStages(job);
    }
    const auto restarts = static_cast<uint32_t>(job.restarts_size());
    if (restarts > job.spec().recovery().max_restarts()) Break("a job restarts more than it may");
    const v1::Job last = std::exchange(last_seen_[job.id()], job);
    if (job.generation() < last.generation()) Break("generations only grow");
    if (IsEnded(last.state()) && job.state() != last.state()) Break("what has ended stays so");
    if (job.state() == v1::JOB_STATE_COMPLETED && stored_points_[job.id()].size() != 3) {
      Break(absl::StrCat(job.id(), " completed without its last points"));
    }
    if (job.state() == v1::JOB_STATE_COMPLETED && !job.spec().checkpoint().dir().empty() &&
        job.checkpoint().empty()) {
      Break(absl::StrCat(job.id(), " completed without its checkpoint"));
    }
  }
  std::set<std::string> known;
  for (const v1::Worker& worker : controller_->Workers()) {
    known.insert(worker.id());
    const auto job = last_seen_.find(worker.job_id());
    const auto held = holder.find(worker.id());
    const bool is_over = job == last_seen_.end() || !IsPlaced(job->second.state()) ||
                         job->second.state() == v1::JOB_STATE_RECOVERING;
    if (held != holder.end() && held->second != worker.job_id()) {
      Break(absl::StrCat(worker.id(), " does not know the job whose stage it has"));
    }
    if (worker.state() == v1::WORKER_STATE_LOST && !worker.job_id().empty() && is_over) {
      Break(absl::StrCat(worker.id(), " is held by ", worker.job_id(), ", which has ended"));
    }
  }
}

// A job over all processes that makes do with fewer.
void ClusterModel::SubmitElastic() {
  v1::SubmitJobRequest request;
  *request.mutable_spec() = SmallSpec("a", static_cast<uint32_t>(processes_.size()), 3);
  request.mutable_spec()->mutable_checkpoint()->set_dir("ck");
  request.mutable_spec()->mutable_checkpoint()->set_every(1);
  request.mutable_spec()->mutable_recovery()->set_max_restarts(1000);
  request.mutable_spec()->mutable_recovery()->set_min_stages(1);
  request.mutable_spec()->mutable_recovery()->set_replacement_seconds(0.5);
  if (controller_->Submit(request, now_).ok()) ++last_job_;
}

void ClusterModel::Settle() {
  int away_until = -1;  // the last process: not yet, or a round
  (void)controller_->Drain(processes_[0].name, now_);
  for (const v1::Job& job : controller_->List()) {
    if (WantedStages(job) % 2 == 0) Rescale(job.id(), 1 + WantedStages(job) % processes_.size());
  }
  SubmitElastic();
  SubmitElastic();
  TakeEffects();
  for (int round = 0; round < 400 && broken_.empty(); ++round) {
    for (const v1::Job& job : controller_->List()) {
      const bool is_paused =
          job.state() == v1::JOB_STATE_PAUSED || job.state() == v1::JOB_STATE_PAUSING;
      if (is_paused && round > 20) (void)controller_->Resume(job.id(), now_);
      const bool is_elastic = job.id() == absl::StrCat("a-", last_job_);
      if (is_elastic && job.state() == v1::JOB_STATE_RUNNING) Rescale(job.id(), 1);
    }
    TakeEffects();
    for (Process& process : processes_) {
      const bool is_last = &process == &processes_.back();
      if (is_last && away_until < 0 && process.session &&
          process.session->report.status().updates() == 2) {
        Die(process);
        away_until = round + 20;
      }
      if (is_last && round < away_until) continue;
      if (process.stream == 0) Connect(process);
      TakeEffects();
      while (!process.commands.empty()) {
        Execute(process, false);
        TakeEffects();
      }
      Train(process);
      Report(process);
      TakeEffects();
    }
    Tick(absl::Milliseconds(500));
    Check();
  }
  CheckTheEnd();
}

void ClusterModel::CheckTheEnd() {
  for (const v1::Job& job : controller_->List()) {
    if (IsEnded(job.state())) continue;
    if (WantedStages(job) > processes_.size()) continue;
    Break(absl::StrCat(job.id(), " is stuck: ", std::string(ToString(job.state())), ", ",
                       job.reason()));
  }
  for (const v1::Worker& worker : controller_->Workers()) {
    if (worker.state() == v1::WORKER_STATE_BUSY) Break(absl::StrCat(worker.id(), " stays busy"));
  }
  if (!waiting_.empty()) Break("a call of Generate is never answered");
  if (!traces_.empty()) Break("a trace is never answered");
}

}  // namespace paci
