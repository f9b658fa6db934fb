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
  if (session.kept) report.mutable_status()->set_copy_update(*session.kept);
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
    const v1::Command& command = message->command();
    const absl::Status status = Do(process, command);
    const bool is_answered_later =
        command.has_prepare_stage() && process.session && process.session->preparing && status.ok();
    if (!is_answered_later) Answer(process, command, status);
  }
  if (process.is_dead) Lose(process);
}

void ExplorerWorld::Answer(Process& process, const v1::Command& command,
                           const absl::Status& status) {
  v1::WorkerMessage answer;
  answer.mutable_result()->set_id(command.id());
  answer.mutable_result()->set_code(static_cast<int>(status.code()));
  answer.mutable_result()->set_message(std::string(status.message()));
  Tell(process, std::move(answer));
}

absl::Status ExplorerWorld::Do(Process& process, const v1::Command& command) {
  const auto holds = [&](const v1::StageKey& key) {
    return process.session && IsSame(process.session->key, key);
  };
  const absl::Status other = absl::FailedPreconditionError("it does not hold that");
  if (command.has_prepare_stage()) return Prepare(process, command);
  if (command.has_release_stage()) {
    if (!holds(command.release_stage().key())) return process.session ? other : absl::OkStatus();
    process.session.reset();
    return absl::OkStatus();
  }
  if (command.has_start_stage()) {
    if (!holds(command.start_stage().key())) return other;
    Session& session = *process.session;
    if (session.preparing) return absl::FailedPreconditionError("it is not prepared yet");
    if (session.state != v1::STAGE_STATE_READY) return session.error;
    session.state = v1::STAGE_STATE_RUNNING;
    if (session.updates == setup_->updates) Finish(process);
    return session.error;
  }
  if (command.has_stop_stage()) {
    if (!holds(command.stop_stage().key())) return other;
    const v1::StageState state = process.session->state;
    if (state == v1::STAGE_STATE_READY || state == v1::STAGE_STATE_RUNNING) {
      Fail(process, absl::AbortedError(command.stop_stage().reason()));
      process.session->state = v1::STAGE_STATE_STOPPED;
      Report(process);
    }
    return absl::OkStatus();
  }
  if (command.has_commit_checkpoint()) {
    const v1::CommitCheckpoint& commit = command.commit_checkpoint();
    if (!holds(commit.key())) return other;
    return disk_.Commit({commit.update(), commit.key().generation()}, setup_->stages, setup_->keep);
  }
  Break(absl::StrCat("nobody asked for ", std::string(NameOf(command))));
  return absl::OkStatus();
}

absl::Status ExplorerWorld::Prepare(Process& process, const v1::Command& command) {
  const v1::StageKey& key = command.prepare_stage().key();
  std::optional<Session>& held = process.session;
  if (held && !IsSame(held->key, key) && held->key.generation() > key.generation()) {
    return absl::FailedPreconditionError("it still holds another stage");
  }
  if (!held || !IsSame(held->key, key)) Begin(process, command);
  if (held->preparing) *held->preparing = command;
  return held->error;
}

void ExplorerWorld::Begin(Process& process, const v1::Command& command) {
  const v1::PrepareStage& prepare = command.prepare_stage();
  const std::optional<Session> before = std::exchange(process.session, Session());
  Session& session = *process.session;
  session.key = prepare.key();
  session.updates = session.next_copy = prepare.first_update();
  process.sequence = 0;
  const bool is_heir = before && before->key.generation() == prepare.inherits_generation() &&
                       before->key.stage() == session.key.stage();
  const absl::Status status = TakeState(session, command, is_heir ? &*before : nullptr);
  if (!status.ok()) Fail(process, status);
}

absl::Status ExplorerWorld::TakeState(Session& session, const v1::Command& command,
                                      const Session* before) {
  const v1::PrepareStage& prepare = command.prepare_stage();
  const auto source_of = [&](uint32_t stage) {
    return prepare.assignments(static_cast<int>(stage)).state();
  };
  if (before != nullptr) session.given_back = before->kept;
  if (source_of(KeptBy(session.key.stage())) == v1::STATE_SOURCE_NEIGHBOUR && !session.given_back) {
    return absl::AbortedError("no copy to give back");
  }
  switch (source_of(session.key.stage())) {
    case v1::STATE_SOURCE_OWN:
      if (before == nullptr || !before->is_built) return absl::AbortedError("no state of its own");
      CheckBeginning(session, before->updates);
      break;
    case v1::STATE_SOURCE_NEIGHBOUR:
      session.preparing = command;
      return absl::OkStatus();
    default: {
      const v1::Checkpoint& from = prepare.resume_from();
      const absl::Status verified = prepare.has_resume_from()
                                        ? disk_.Verify({from.update(), from.generation()})
                                        : absl::OkStatus();
      if (!verified.ok()) {
        return absl::Status(verified.code(),
                            absl::StrCat(from.directory(), ": ", verified.message()));
      }
      CheckBeginning(session, from.update());
    }
  }
  session.is_built = true;
  return absl::OkStatus();
}

const ExplorerWorld::Process* ExplorerWorld::GiverTo(const Session& session) const {
  return HolderOf(session, KeeperOf(session.key.stage()));
}

bool ExplorerWorld::CanTakeBack(const Session& session) const {
  const Process* giver = GiverTo(session);
  return giver != nullptr && !giver->is_frozen && giver->session->error.ok();
}

// Not one that is still to begin: that is waited for.
bool ExplorerWorld::MissesGiver(const Session& session) const {
  const uint32_t keeper = KeeperOf(session.key.stage());
  const std::string& holder =
      session.preparing->prepare_stage().assignments(static_cast<int>(keeper)).worker_id();
  for (size_t i = 0; i < processes_.size(); ++i) {
    if (id(i) != holder) continue;
    const std::optional<Session>& its = processes_[i].session;
    return its && (its->key.generation() > session.key.generation() ||
                   (its->key.generation() == session.key.generation() && !its->error.ok()));
  }
  return true;
}

void ExplorerWorld::TakeBack(Process& process) {
  Session& session = *process.session;
  const uint64_t of_update = *GiverTo(session)->session->given_back;
  CheckBeginning(session, of_update);
  session.is_built = true;
  const v1::Command command = *std::exchange(session.preparing, std::nullopt);
  Answer(process, command, absl::OkStatus());
}

void ExplorerWorld::Fail(Process& process, absl::Status error) {
  process.session->state = v1::STAGE_STATE_FAILED;
  process.session->is_writing = false;
  process.session->error = std::move(error);
  if (process.session->preparing) {
    Answer(process, *std::exchange(process.session->preparing, std::nullopt),
           process.session->error);
  }
  Report(process);
}

}  // namespace paci
