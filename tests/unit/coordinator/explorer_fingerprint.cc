// Which worlds are the same: identifiers, times and generations count by how they compare, not by
// what they are, and what nobody looks at again does not count.
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tests/unit/coordinator/explorer_world.h"

namespace paci {

std::string ExplorerWorld::Fingerprint() const {
  std::string text;
  for (const auto& [id, record] : controller_->jobs()) text += PrintJob(record);
  // What a coordinator that starts again would know.
  absl::StrAppend(&text, "|store ", job().state(), " ",
                  controller_->jobs().begin()->second.job().generation() - job().generation(), " ",
                  stored_->settled_update, stored_->pending_commit.empty() ? "" : " commits");
  if (setup_->forgets_last_write) {
    absl::StrAppend(&text, " before ", stored_before_->job.state(), " ",
                    job().generation() - stored_before_->job.generation());
  }
  if (setup_->is_one_death_free && death_) {
    absl::StrAppend(&text, "|death ", death_->updates, Print(death_->key));
  }
  absl::StrAppend(&text, PrintWorkers(), PrintDisk());
  for (const Process& process : processes_) text += PrintProcess(process);
  return text;
}

std::string ExplorerWorld::PrintJob(const JobRecord& record) const {
  const v1::Job& job = record.job();
  std::string text = absl::StrCat("job ", job.state(), " ", record.stored.settled_update,
                                  record.stored.pending_commit.empty() ? "" : " commits");
  for (const v1::Checkpoint& checkpoint : job.checkpoints()) {
    absl::StrAppend(&text, " ", checkpoint.update(), "@",
                    job.generation() - checkpoint.generation());
  }
  for (const FailureCause& cause : record.failures) {
    // What a decision reads of it: the code that it begins with, and the checkpoint that it names.
    absl::StrAppend(&text, " fails ", static_cast<int>(cause.kind), cause.stage,
                    cause.what.substr(0, cause.what.find(':')),
                    !job.checkpoint().empty() && absl::StrContains(cause.what, job.checkpoint()));
  }
  if (!record.failures.empty()) absl::StrAppend(&text, Print(record.failing_since));
  if (record.fast) {
    absl::StrAppend(&text, " fast ", record.fast->first_update, "@",
                    job.generation() - record.fast->generation, " ",
                    absl::StrJoin(record.fast->sources, ""));
  }
  for (const StageRecord& stage : record.stages) text += PrintStage(stage);
  return text;
}

std::string ExplorerWorld::PrintStage(const StageRecord& stage) const {
  std::string text = absl::StrCat("|stage ", stage.status.state(), " ", stage.status.updates(), " ",
                                  stage.is_attached, stage.is_awaited, stage.is_prepared,
                                  stage.is_started, stage.needs_resume, stage.has_all_points,
                                  stage.is_told_to_stop, Print(stage.status));
  for (size_t i = 0; i < processes_.size(); ++i) {
    const std::string prefix = absl::StrCat("w", i, "-");
    if (!absl::StartsWith(stage.status.worker_id(), prefix)) continue;
    absl::StrAppend(&text, " of ", i, stage.status.worker_id() == id(i) ? "" : "'");
  }
  if (!stage.is_attached) absl::StrAppend(&text, " lost", Print(stage.lost_deadline));
  for (const auto& [update, part] : stage.parts) absl::StrAppend(&text, " p", update);
  if (stage.in_flight) {
    absl::StrAppend(&text, " awaits ", static_cast<int>(stage.in_flight->command.command_case()),
                    PrintDeadline(*stage.in_flight));
  }
  return text;
}

std::string ExplorerWorld::PrintWorkers() const {
  std::string text;
  for (const auto& [id, worker] : controller_->registry().workers()) {
    if (!worker.is_connected() && !worker.holds && !worker.releasing) continue;
    const uint64_t incarnation = std::stoul(id.substr(id.find('-') + 1));
    const size_t slot = std::stoul(id.substr(1));
    absl::StrAppend(&text, "|worker ", slot, ".", processes_[slot].incarnation - incarnation);
    if (worker.is_connected()) {
      const bool is_heard = IsHeard(worker.stream);
      const bool is_current = worker.stream == processes_[slot].stream;
      absl::StrAppend(&text, " connected ", is_current, is_heard ? "" : Print(worker.last_seen));
    }
    if (worker.holds) absl::StrAppend(&text, " holds ", Print(*worker.holds));
    if (worker.releasing) absl::StrAppend(&text, " releases ", Print(*worker.releasing));
    if (worker.release_in_flight) absl::StrAppend(&text, PrintDeadline(*worker.release_in_flight));
  }
  return text;
}

std::string ExplorerWorld::PrintProcess(const Process& process) const {
  std::string text =
      absl::StrCat("|process ", process.is_frozen, process.is_dead, process.stream != 0);
  if (process.session) {
    const Session& session = *process.session;
    absl::StrAppend(&text, " session ", Print(session.key), " ", session.state, " ",
                    session.updates, session.is_writing, " ", session.error.ToString(), " ",
                    absl::StrJoin(session.parts, ","));
    if (setup_->is_fast) text += PrintCopies(session);
  }
  for (const auto& message : process.heard) text += Print(*message);
  for (const auto& message : process.said) text += Print(*message);
  return text;
}

std::string ExplorerWorld::PrintCopies(const Session& session) const {
  const auto print = [](const std::optional<uint64_t>& update) {
    return update ? absl::StrCat(*update) : "-";
  };
  std::string text = absl::StrCat(" ", session.is_built, " ", session.next_copy, " ",
                                  print(session.kept), " ", print(session.given_back));
  if (session.preparing) {
    absl::StrAppend(&text, " preparing", PrintCommandId(session.preparing->id()));
  }
  return text;
}

// What a decision reads of a stage's report beside its state.
std::string ExplorerWorld::Print(const v1::StageStatus& status) {
  return status.has_copy_update() ? absl::StrCat(" c", status.copy_update()) : "";
}

std::string ExplorerWorld::PrintDisk() const {
  const uint64_t generation = controller_->jobs().begin()->second.job().generation();
  std::string text = "|disk";
  for (const auto& [name, checkpoint] : disk_.checkpoints()) {
    absl::StrAppend(&text, " ", name.update, "@", generation - name.generation,
                    checkpoint.has_manifest ? "m" : "", checkpoint.is_damaged ? "x" : "",
                    known_.count(name), "p", absl::StrJoin(checkpoint.parts, ","));
  }
  return text;
}

std::string ExplorerWorld::Print(const v1::StageKey& key) const {
  const uint64_t generation = controller_->jobs().begin()->second.job().generation();
  return absl::StrCat(key.stage(), "@", generation - key.generation());
}

std::string ExplorerWorld::Print(const v1::WorkerMessage& message) const {
  if (message.has_result()) {
    return absl::StrCat("<result ", message.result().code(), PrintCommandId(message.result().id()),
                        message.result().code() == 0 ? "" : message.result().message());
  }
  if (message.has_hello() && !message.hello().has_running()) return "<hello";
  const v1::StageReport& report =
      message.has_hello() ? message.hello().running() : message.report();
  std::string text = absl::StrCat(message.has_hello() ? "<hello " : "<report ", Print(report.key()),
                                  " ", report.status().state(), report.status().updates(),
                                  report.status().error(), Print(report.status()));
  for (const v1::CheckpointPart& part : report.checkpoints()) {
    absl::StrAppend(&text, " p", part.update());
  }
  return text;
}

std::string ExplorerWorld::Print(const v1::CoordinatorMessage& message) const {
  if (message.has_welcome()) return absl::StrCat(">welcome ", message.welcome().release_stage());
  const v1::Command& command = message.command();
  const std::string text =
      absl::StrCat(">", std::string(NameOf(command)), PrintCommandId(command.id()));
  if (command.has_prepare_stage()) {
    const v1::PrepareStage& prepare = command.prepare_stage();
    std::string how;
    for (const v1::StageAssignment& stage : prepare.assignments()) {
      absl::StrAppend(&how, stage.state());
    }
    return absl::StrCat(text, Print(prepare.key()), " ", prepare.resume_from().update(), " ",
                        prepare.first_update(), " ", how);
  }
  if (command.has_stop_stage()) return absl::StrCat(text, Print(command.stop_stage().key()));
  if (command.has_start_stage()) return absl::StrCat(text, Print(command.start_stage().key()));
  if (command.has_release_stage()) return absl::StrCat(text, Print(command.release_stage().key()));
  if (command.has_commit_checkpoint()) {
    return absl::StrCat(text, Print(command.commit_checkpoint().key()), " ",
                        command.commit_checkpoint().update());
  }
  return text;
}

// How many commands are overdue before it.
std::string ExplorerWorld::PrintDeadline(const CommandInFlight& command) const {
  int before = 0;
  const auto count = [&](const std::optional<CommandInFlight>& other) {
    if (other && other->deadline < command.deadline) ++before;
  };
  for (const auto& [id, record] : controller_->jobs()) {
    for (const StageRecord& stage : record.stages) count(stage.in_flight);
  }
  for (const auto& [id, worker] : controller_->registry().workers())
    count(worker.release_in_flight);
  return absl::StrCat(" after ", before);
}

// Relative to now.
std::string ExplorerWorld::Print(absl::Time deadline) const {
  if (deadline == absl::InfiniteFuture()) return " never";
  return absl::StrCat(" in ", absl::ToInt64Milliseconds(deadline - now_));
}

// Whose command it is of those that the coordinator waits for.
std::string ExplorerWorld::PrintCommandId(uint64_t id) const {
  for (const auto& [job_id, record] : controller_->jobs()) {
    for (size_t i = 0; i < record.stages.size(); ++i) {
      if (record.stages[i].in_flight && record.stages[i].in_flight->id == id) return "#";
    }
  }
  for (const auto& [worker_id, worker] : controller_->registry().workers()) {
    if (worker.release_in_flight && worker.release_in_flight->id == id) return "#";
  }
  return " ";
}

}  // namespace paci
