// What must hold in every state.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "tests/unit/coordinator/explorer_world.h"

namespace paci {

// Of what is stored next.
void ExplorerWorld::CheckJob(const v1::Job& next) {
  if (next.generation() < job().generation()) Break("a generation is taken back");
  if (is_over() && next.state() != job().state()) Break("an ended job changes its state");
  const auto& checkpoints = job().checkpoints();
  const bool has_whole =
      std::any_of(checkpoints.begin(), checkpoints.end(), [&](const v1::Checkpoint& c) {
        return disk_.IsWhole({c.update(), c.generation()});
      });
  // One that has not run yet would only fail again.
  const bool may_fail = !job().has_started() || (!checkpoints.empty() && !has_whole);
  if (next.state() == v1::JOB_STATE_FAILED && !may_fail) {
    Break(absl::StrCat("the job failed, which it need not: ", next.reason()));
  }
}

void ExplorerWorld::CheckCommand(const v1::Command& command) {
  const auto require = [&](bool is_stored, const v1::StageKey& key, absl::string_view what) {
    if (is_stored && key.generation() == job().generation()) return;
    Break(absl::StrCat(what, " of ", ToString(key), " is sent before its decision is stored"));
  };
  if (command.has_prepare_stage()) {
    const v1::PrepareStage& prepare = command.prepare_stage();
    require(job().state() == v1::JOB_STATE_PREPARING, prepare.key(), "PrepareStage");
    CheckPrepare(prepare);
  } else if (command.has_start_stage()) {
    require(job().state() == v1::JOB_STATE_RUNNING, command.start_stage().key(), "StartStage");
  } else if (command.has_commit_checkpoint()) {
    const v1::CommitCheckpoint& commit = command.commit_checkpoint();
    require(!stored_->pending_commit.empty(), commit.key(), "CommitCheckpoint");
    const ExplorerDisk::Name name{commit.update(), commit.key().generation()};
    if (!disk_.HasParts(name, setup_->stages)) {
      Break(absl::StrCat("the checkpoint of update ", commit.update(),
                         " is to be committed, and not every part of this generation is durable"));
    }
  }
}

void ExplorerWorld::CheckPrepare(const v1::PrepareStage& prepare) {
  const uint64_t from = std::min(prepare.resume_from().update(), prepare.first_update());
  if (from < NewestKnown().update) {
    Break(absl::StrCat("a generation goes on from update ", from,
                       ", though the store knows a whole checkpoint of update ",
                       NewestKnown().update));
  }
  const bool follows_death = death_ && prepare.key().generation() == death_->key.generation() + 1;
  // A finished stage is not asked which copy it has: it may have said so before the last one came.
  if (!setup_->is_one_death_free || !follows_death || death_->updates == setup_->updates) return;
  if (prepare.first_update() + 1 < death_->updates) {
    Break(absl::StrCat("one death takes a job of ", death_->updates, " updates back to update ",
                       prepare.first_update()));
  }
}

// A stage begins with a state that was taken after `of_update` updates.
void ExplorerWorld::CheckBeginning(const Session& session, uint64_t of_update) {
  if (of_update < NewestKnown().update) {
    Break(absl::StrCat(ToString(session.key), " begins with the state of update ", of_update,
                       ", and there is a checkpoint of update ", NewestKnown().update));
  }
  for (const Process& process : processes_) {
    if (!process.session || &*process.session == &session) continue;
    const Session& other = *process.session;
    const bool is_beside = other.key.generation() == session.key.generation() &&
                           other.state == v1::STAGE_STATE_READY && other.is_built;
    if (is_beside && other.updates != session.updates) {
      Break(absl::StrCat(ToString(session.key), " begins at update ", session.updates, ", ",
                         ToString(other.key), " at update ", other.updates));
    }
  }
}

void ExplorerWorld::CheckOwners() {
  for (const Process& process : processes_) {
    for (const Process& other : processes_) {
      if (&process == &other || !process.session || !other.session) continue;
      if (IsSame(process.session->key, other.session->key)) {
        Break(absl::StrCat("two workers hold ", ToString(process.session->key)));
      }
    }
  }
}

ExplorerDisk::Name ExplorerWorld::NewestKnown() const {
  for (auto it = known_.rbegin(); it != known_.rend(); ++it) {
    if (disk_.IsWhole(*it)) return *it;
  }
  return {};
}

}  // namespace paci
