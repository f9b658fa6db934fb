// How the stages of a pipeline train, copy their state to a neighbour and write checkpoints.
#include "absl/strings/str_cat.h"
#include "tests/unit/coordinator/explorer_world.h"

namespace paci {

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
  const std::optional<Session>& session = processes_[worker].session;
  if (!session || session->updates >= setup_->updates) return false;
  if (setup_->is_fast) return !processes_[worker].is_frozen && CanTrainAlone(*session);
  return session->key.stage() == 0 && CanTrainTogether(*session);
}

bool ExplorerWorld::CanTrainTogether(const Session& first) const {
  for (uint32_t stage = 0; stage < setup_->stages; ++stage) {
    const Process* holder = HolderOf(first, stage);
    if (holder == nullptr || holder->is_frozen) return false;
    const Session& session = *holder->session;
    if (session.state != v1::STAGE_STATE_RUNNING || session.is_writing) return false;
  }
  return true;
}

// Gradients come from the stage after it, which has done the update, and activations from the stage
// before, which is no update behind. Its copy has been handed over.
bool ExplorerWorld::CanTrainAlone(const Session& session) const {
  if (session.state != v1::STAGE_STATE_RUNNING || session.is_writing) return false;
  const auto has = [&](int64_t stage, uint64_t updates) {
    if (stage < 0 || stage >= setup_->stages) return true;
    const Process* holder = HolderOf(session, stage);
    if (holder == nullptr || holder->is_frozen || holder->session->updates < updates) return false;
    return holder->session->state == v1::STAGE_STATE_RUNNING ||
           holder->session->state == v1::STAGE_STATE_FINISHED;
  };
  const int64_t stage = session.key.stage();
  if (!has(stage - 1, session.updates) || !has(stage + 1, session.updates + 1)) return false;
  return !setup_->has_copies || session.next_copy > session.updates;
}

// It has a copy to send, and the stage after it takes it.
bool ExplorerWorld::CanCopy(const Session& session) const {
  if (!setup_->has_copies || session.next_copy > session.updates) return false;
  const Process* keeper = HolderOf(session, KeeperOf(session.key.stage()));
  return keeper != nullptr && !keeper->is_frozen && keeper->session->error.ok();
}

void ExplorerWorld::Copy(Session& session) {
  const uint32_t keeper = KeeperOf(session.key.stage());
  for (Process& process : processes_) {
    if (!process.session || process.session->key.generation() != session.key.generation()) continue;
    if (process.session->key.stage() == keeper) process.session->kept = session.next_copy;
  }
  ++session.next_copy;
}

void ExplorerWorld::Train(Session& session) {
  if (setup_->is_fast) return TrainOne(session);
  for (Process& process : processes_) {
    if (!process.session || process.session->key.generation() != session.key.generation()) continue;
    TrainOne(*process.session);
  }
}

void ExplorerWorld::TrainOne(Session& session) const {
  session.updates++;
  session.is_writing =
      session.updates == setup_->updates || session.updates % setup_->checkpoint_every == 0;
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
