// What a worker does with what it is told, as worker/agent does it, in as few steps as matter.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "tests/unit/coordinator/explorer_world.h"

namespace paci {

void ExplorerWorld::Dial(size_t worker) {
  Process& process = processes_[worker];
  process.said.clear();
  process.is_dead = false;
  process.stream = next_stream_++;
  v1::WorkerMessage message;
  v1::Hello& hello = *message.mutable_hello();
  hello.set_worker_id(id(worker));
  hello.set_worker_name(absl::StrCat("w", worker));
  hello.mutable_info()->set_device("cpu");
  if (process.session) *hello.mutable_running() = MakeReport(process);
  Tell(process, std::move(message));
}

void ExplorerWorld::Tell(Process& process, v1::WorkerMessage message) {
  if (process.stream == 0 || process.is_dead) return;
  process.heard.push_back(std::make_shared<v1::WorkerMessage>(std::move(message)));
}

v1::StageReport ExplorerWorld::MakeReport(Process& process) {
  const Session& session = *process.session;
  v1::StageReport report;
  *report.mutable_key() = session.key;
  report.set_sequence(++process.sequence);
  report.mutable_status()->set_state(session.state);
  report.mutable_status()->set_updates(session.updates);
  if (!session.error.ok()) report.mutable_status()->set_error(session.error.ToString());
  for (const uint64_t update : session.parts) report.add_checkpoints()->set_update(update);
  return report;
}

// Takes the place of one that has not left: what it said is said by this one, too.
void ExplorerWorld::Report(Process& process) {
  if (!process.heard.empty() && process.heard.back()->has_report()) process.heard.pop_back();
  v1::WorkerMessage message;
  *message.mutable_report() = MakeReport(process);
  Tell(process, std::move(message));
}

void ExplorerWorld::Execute(Process& process) {
  const auto message = std::move(process.said.front());
  process.said.pop_front();
  if (message->welcome().release_stage()) process.session.reset();
  if (message->has_command()) {
    v1::WorkerMessage answer;
    const absl::Status status = Do(process, message->command());
    answer.mutable_result()->set_id(message->command().id());
    answer.mutable_result()->set_code(static_cast<int>(status.code()));
    answer.mutable_result()->set_message(std::string(status.message()));
    Tell(process, std::move(answer));
  }
  if (process.is_dead) Lose(process);
}

absl::Status ExplorerWorld::Do(Process& process, const v1::Command& command) {
  const auto holds = [&](const v1::StageKey& key) {
    return process.session && IsSame(process.session->key, key);
  };
  const absl::Status other = absl::FailedPreconditionError("it does not hold that");
  if (command.has_prepare_stage()) return Prepare(process, command.prepare_stage());
  if (command.has_release_stage()) {
    if (!holds(command.release_stage().key())) return process.session ? other : absl::OkStatus();
    process.session.reset();
    return absl::OkStatus();
  }
  if (command.has_start_stage()) {
    if (!holds(command.start_stage().key())) return other;
    Session& session = *process.session;
    if (session.state != v1::STAGE_STATE_READY) return session.error;
    session.state = v1::STAGE_STATE_RUNNING;
    if (session.updates == setup_->updates) Finish(process);
    return session.error;
  }
  if (command.has_commit_checkpoint()) {
    const v1::CommitCheckpoint& commit = command.commit_checkpoint();
    if (!holds(commit.key())) return other;
    return disk_.Commit({commit.update(), commit.key().generation()}, setup_->stages, setup_->keep);
  }
  Break(absl::StrCat("nobody asked for ", std::string(NameOf(command))));
  return absl::OkStatus();
}

absl::Status ExplorerWorld::Prepare(Process& process, const v1::PrepareStage& command) {
  if (process.session && !IsSame(process.session->key, command.key())) {
    if (process.session->key.generation() > command.key().generation()) {
      return absl::FailedPreconditionError("it still holds another stage");
    }
    process.session.reset();
  }
  if (!process.session) {
    process.session = Session();
    process.session->key = command.key();
    process.session->updates = command.resume_from().update();
    process.sequence = 0;
    if (command.has_resume_from()) {
      const v1::Checkpoint& from = command.resume_from();
      const absl::Status verified = disk_.Verify({from.update(), from.generation()});
      if (!verified.ok()) {
        Fail(process, absl::Status(verified.code(),
                                   absl::StrCat(from.directory(), ": ", verified.message())));
      }
    }
  }
  return process.session->error;
}

void ExplorerWorld::Fail(Process& process, absl::Status error) {
  process.session->state = v1::STAGE_STATE_FAILED;
  process.session->is_writing = false;
  process.session->error = std::move(error);
  Report(process);
}

const ExplorerWorld::Process* ExplorerWorld::HolderOf(const Session& session, int64_t stage) const {
  v1::StageKey key = session.key;
  key.set_stage(static_cast<uint32_t>(stage));
  for (const Process& process : processes_) {
    if (process.session && IsSame(process.session->key, key)) return &process;
  }
  return nullptr;
}

bool ExplorerWorld::MissesNeighbour(const Session& session) const {
  for (const int step : {-1, 1}) {
    const int64_t stage = int64_t{session.key.stage()} + step;
    if (stage < 0 || stage >= setup_->stages) continue;
    const Process* neighbour = HolderOf(session, stage);
    if (neighbour == nullptr || !neighbour->session->error.ok()) return true;
  }
  return false;
}

bool ExplorerWorld::CanTrain(size_t worker) const {
  const std::optional<Session>& first = processes_[worker].session;
  if (!first || first->key.stage() != 0 || first->updates >= setup_->updates) return false;
  for (uint32_t stage = 0; stage < setup_->stages; ++stage) {
    const Process* holder = HolderOf(*first, stage);
    if (holder == nullptr || holder->is_frozen) return false;
    const Session& session = *holder->session;
    if (session.state != v1::STAGE_STATE_RUNNING || session.is_writing) return false;
  }
  return true;
}

void ExplorerWorld::Train(const Session& session) {
  for (Process& process : processes_) {
    if (!process.session || process.session->key.generation() != session.key.generation()) continue;
    process.session->updates++;
    process.session->is_writing = true;
  }
}

void ExplorerWorld::WritePart(Process& process) {
  Session& session = *process.session;
  disk_.WritePart({session.updates, session.key.generation()}, session.key.stage());
  session.parts.insert(session.updates);
  session.is_writing = false;
  if (session.updates == setup_->updates) return Finish(process);
  Report(process);
}

void ExplorerWorld::Finish(Process& process) {
  process.session->state = v1::STAGE_STATE_FINISHED;
  Report(process);
}

}  // namespace paci
